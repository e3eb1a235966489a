"""The pages: they read the models, call the services, and follow changes live."""
