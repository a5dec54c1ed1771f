"""users: who our customers are. Its data lives in its own PostgreSQL."""
import os
import signal
import sys
import time

import psycopg2
from flask import Flask, jsonify

app = Flask(__name__)
app.json.sort_keys = False

FIRST_USERS = [(1, "John"), (2, "Jane")]


def connect():
    return psycopg2.connect(
        host=os.environ.get("DB_HOST", "users-db"),
        dbname=os.environ.get("DB_NAME", "users"),
        user=os.environ.get("DB_USER", "postgres"),
        password=os.environ.get("DB_PASSWORD", ""),
        connect_timeout=3,
    )


def migrate():
    """Makes the table and its first rows; every replica may call it, once is enough."""
    with connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(1)")
        cursor.execute("CREATE TABLE IF NOT EXISTS users (id integer PRIMARY KEY, name text NOT NULL)")
        cursor.executemany("INSERT INTO users VALUES (%s, %s) ON CONFLICT (id) DO NOTHING", FIRST_USERS)


@app.get("/api/users")
def list_users():
    with connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT id, name FROM users ORDER BY id")
        return jsonify([{"id": number, "name": name} for number, name in cursor.fetchall()])


@app.get("/healthz")
def healthz():
    with connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok\n"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for attempt in range(30):
        try:
            migrate()
            break
        except psycopg2.OperationalError as error:
            print(f"users: the database does not answer yet: {error}".strip(), flush=True)
            time.sleep(min(0.2 * (attempt + 1), 2))
    else:
        sys.exit("users: gave up waiting for the database")
    app.run(host="0.0.0.0", port=8080, threaded=True)


if __name__ == "__main__":
    main()
