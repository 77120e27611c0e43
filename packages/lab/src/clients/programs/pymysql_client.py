"""Kill test with PyMySQL, which has no prepared statements. What every program does is told in the README beside it."""
import os
import time

import pymysql

run = int(os.environ["RUN"])
pace = float(os.environ["PACE_MS"]) / 1000


def connect():
    return pymysql.connect(
        host=os.environ["DB_HOST"],
        port=int(os.environ["DB_PORT"]),
        user=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"],
        database=os.environ["DB_NAME"],
        ssl={"ca": os.environ["DB_CA"]},
        autocommit=True,
    )


def write(cursor, sql, values):
    rows = cursor.execute(sql, values)
    if rows != 1:
        raise RuntimeError(f"{rows} rows instead of one")


def work(connection, n):
    with connection.cursor() as cursor:
        if n % 3 == 0:
            connection.begin()
            cursor.execute("SELECT balance FROM kill_account WHERE id = %s", (2 * run,))
            cursor.fetchone()
            write(cursor, "UPDATE kill_account SET balance = balance + 1 WHERE id = %s", (2 * run,))
            write(cursor, "INSERT INTO kill_entry (run, n) VALUES (%s, %s)", (run, n))
            connection.commit()
        elif n % 3 == 1:
            write(cursor, "INSERT INTO kill_entry (run, n) VALUES (%s, %s)", (run, n))
        else:
            write(cursor, "UPDATE kill_account SET balance = balance + 1 WHERE id = %s", (2 * run + 1,))


connection = None
n = 0
while not os.path.exists(os.environ["STOP_FILE"]):
    try:
        if connection is None:
            connection = connect()
        work(connection, n)
        print("ok", n, flush=True)
        n += 1
    except pymysql.MySQLError as error:
        code = error.args[0] if error.args else 0
        if code == 1213:
            print("conflict", n, flush=True)
            continue
        print("error", n, code, str(error).replace("\n", " "), flush=True)
        connection = None
        n += 1
        time.sleep(0.1)
    time.sleep(pace)
print("done", flush=True)
