"""The endpoints, one router a noun. Every one below /api/v1 but `GET /site` needs credentials (`spin.api.middleware.SignIn`)."""
