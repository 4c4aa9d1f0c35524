"""Images that are known by their names: what is in them, and what they can do."""

from __future__ import annotations

from collections.abc import Collection

from spin.model.stack import Image, ServiceSpec

DATABASES = frozenset(
    {
        *("postgres", "postgresql", "postgis", "pgvector", "timescaledb", "timescaledb-ha", "cockroach", "yugabyte"),
        *("mysql", "mysql-server", "mariadb", "percona", "percona-server", "firebird", "oracle-free", "oracle-xe"),
        *("mongo", "mongodb", "mongodb-community-server", "couchdb", "couchbase", "cassandra", "scylla", "arangodb", "rethinkdb"),
        *("redis", "redis-stack", "redis-stack-server", "valkey", "keydb", "dragonfly", "etcd", "consul", "zookeeper"),
        *("elasticsearch", "opensearch", "solr", "meilisearch", "typesense", "qdrant", "weaviate", "chroma"),
        *("influxdb", "clickhouse", "clickhouse-server", "questdb", "prometheus", "victoria-metrics"),
        *("neo4j", "graphdb", "virtuoso-opensource-7", "fuseki", "blazegraph", "orientdb", "surrealdb", "rabbitmq", "kafka"),
    }
)
"""Last parts of the names of images whose program takes its files for its own."""

DROPS_ROOT = frozenset(
    {
        *(
            "postgres",
            "postgis",
            "timescaledb",
            "pgvector",
            "mysql",
            "mariadb",
            "mongo",
            "redis",
            "valkey",
            "rabbitmq",
            "memcached",
        ),
        *("couchdb", "cassandra", "neo4j", "influxdb", "elasticsearch", "kibana", "logstash", "zookeeper", "redmine", "ghost"),
        *("nginx", "httpd", "wordpress", "nextcloud", "drupal", "joomla", "matomo", "php", "haproxy", "varnish", "registry"),
    }
)
"""Last parts of the names of images whose main process begins as root and does its work as somebody else, by itself."""

SECRET_FILES = frozenset(
    {
        *(
            "postgres",
            "postgis",
            "timescaledb",
            "pgvector",
            "mysql",
            "mariadb",
            "percona",
            "percona-server",
            "mongo",
            "wordpress",
        ),
        *("nextcloud", "joomla", "redmine", "influxdb", "minio", "mongo-express", "pgadmin4", "vaultwarden"),
        *("elasticsearch", "matomo", "authelia"),
    }
)
"""Last parts of the names of images that read the value of VARIABLE from a file that VARIABLE_FILE names."""


def short(image: Image) -> str:
    """The last part of the image's name: `postgres` of `docker.io/library/postgres:16`."""
    return image.repository.rpartition("/")[2].lower()


def named_like(image: Image, names: Collection[str]) -> str | None:
    """The first of `names` that the image is called by: as the last part of its name, or as one of its words or a run of them."""
    words = f"-{short(image).replace('_', '-').replace('.', '-')}-"
    return next((name for name in names if f"-{name}-" in words), None)


def is_database(service: ServiceSpec) -> bool:
    """By the convention of services' names, or by its image."""
    kind = service.name.partition("-")[0]
    return kind in ("db", "kv") or short(service.image) in DATABASES


def secret_variable(image: Image, variable: str) -> str | None:
    """The variable that names a file with the value, where the image is known to read one."""
    name = short(image)
    if name.startswith("grafana") and variable.startswith("GF_"):
        return f"{variable}__FILE"
    if image.repository.startswith("docker.io/bitnami/") or name in SECRET_FILES:
        return f"{variable}_FILE"
    return None
