"""Two gateways from Python with PyMySQL: a list of addresses, tried in turn, and the fate of a transaction in doubt asked at
whichever gateway answers. What it writes is that of the kill test; docs/clients.md explains it."""
import os
import time

import pymysql

run = int(os.environ["RUN"])
hosts = [each.rsplit(":", 1) for each in os.environ["DB_HOSTS"].split(",")]


def connect():
    """To the first gateway that answers, for a few rounds: right after a loss the one that is left may be busy."""
    for attempt in range(20):
        for host, port in hosts:
            try:
                return pymysql.connect(
                    host=host,
                    port=int(port),
                    user=os.environ["DB_USER"],
                    password=os.environ["DB_PASSWORD"],
                    database=os.environ["DB_NAME"],
                    ssl={"ca": os.environ["DB_CA"]},
                    connect_timeout=1,
                )
            except pymysql.OperationalError as error:
                last = error
        time.sleep(0.1)
    raise last


def ask(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def work(connection, n):
    with connection.cursor() as cursor:
        connection.begin()
        cursor.execute("UPDATE kill_account SET balance = balance + 1 WHERE id = %s", (2 * run,))
        cursor.execute("INSERT INTO kill_entry (run, n) VALUES (%s, %s)", (run, n))
        connection.commit()


def transaction(n):
    """True: done, also when nobody told us at the time."""
    global connection
    key = None
    try:
        if connection is None:
            connection = connect()
        key = ask(connection, "SELECT coequal.session()")
        work(connection, n)
        return True
    except (pymysql.OperationalError, pymysql.InterfaceError) as error:
        code = error.args[0] if error.args else 0
        if code == 1213:
            print("conflict", n, flush=True)
            return False
        # 2000 and above are the library's own: the connection is gone. InterfaceError 0: it was gone before.
        if 0 < code < 2000:
            raise
        connection = connect()
        fate = "not committed" if key is None else ask(connection, f"SELECT coequal.outcome('{key}')")
        print("fate", n, fate, flush=True)
        if fate == "unknown":
            raise
        return fate == "committed"


connection = None
n = 0
while not os.path.exists(os.environ["STOP_FILE"]):
    try:
        if transaction(n):
            print("ok", n, flush=True)
            n += 1
    except pymysql.MySQLError as error:
        print("error", n, error.args[0] if error.args else 0, str(error).replace("\n", " "), flush=True)
        n += 1
    time.sleep(float(os.environ["PACE_MS"]) / 1000)
print("done", flush=True)
