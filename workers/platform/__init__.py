"""The platform as processes: `hone up`, embedded PostgreSQL and Valkey, the doctor, migrations."""
