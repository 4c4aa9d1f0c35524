"""The API service: counts visits in the database, and says which container answered."""

import os
import socket
from pathlib import Path

import pymysql
from flask import Flask, Response, jsonify
from markupsafe import Markup

app = Flask(__name__)
CONTAINER = socket.gethostname()


def database() -> pymysql.Connection:
    """A connection for one request. The password is read each time, so that a new one needs no new image."""
    return pymysql.connect(
        host=os.environ.get("DB_HOST", "db"),
        user="app",
        password=Path("/run/secrets/db-password").read_text().strip(),
        database="app",
        connect_timeout=3,
        read_timeout=5,
        autocommit=True,
    )


def visit() -> int:
    """Counts one visit: the number of visits so far. One statement, so that no two containers count the same number."""
    with database() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS counter (id INT PRIMARY KEY, visits BIGINT UNSIGNED NOT NULL)")
        cursor.execute(
            "INSERT INTO counter VALUES (1, LAST_INSERT_ID(1)) ON DUPLICATE KEY UPDATE visits = LAST_INSERT_ID(visits + 1)"
        )
        cursor.execute("SELECT LAST_INSERT_ID()")
        number = int(cursor.fetchone()[0])
    print(f"visit {number}")
    return number


@app.get("/")
def answer() -> Response:
    return jsonify(container=CONTAINER, counter=visit())


@app.get("/sentence")
def sentence() -> str:
    """The same for people: a piece of HTML that the front end puts into its page."""
    return Markup("Container <code>{}</code> has counted visit <b>{}</b>.").format(CONTAINER, visit())


@app.get("/healthz")
def healthz() -> tuple[str, int]:
    """Ready when the database answers. Nothing waits at the start: this is asked again until it is true."""
    try:
        with database() as connection:
            connection.ping(reconnect=False)
    except (OSError, pymysql.MySQLError) as error:
        return f"no database: {error}\n", 503
    return "ok\n", 200
