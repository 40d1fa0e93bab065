"""The worker process: the Lab API over models, tools and a cache shard."""
