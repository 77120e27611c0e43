/* Kill test with libmariadb, the C library. What every program does is told in the README beside it. */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long run;
static MYSQL *connection;
static char message[600];
static unsigned code;

static void pause_for(double seconds) {
  struct timespec length = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
  nanosleep(&length, NULL);
}

static int failed(unsigned number, const char *text) {
  code = number;
  snprintf(message, sizeof message, "%s", text);
  return 0;
}

static int connect_to(void) {
  my_bool verify = 1;
  connection = mysql_init(NULL);
  mysql_ssl_set(connection, NULL, NULL, getenv("DB_CA"), NULL, NULL);
  mysql_optionsv(connection, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
  if (mysql_real_connect(connection, getenv("DB_HOST"), getenv("DB_USER"), getenv("DB_PASSWORD"), getenv("DB_NAME"),
                         (unsigned)atoi(getenv("DB_PORT")), NULL, 0) != NULL)
    return 1;
  failed(mysql_errno(connection), mysql_error(connection));
  mysql_close(connection);
  connection = NULL;
  return 0;
}

/* One statement as text; rows < 0: it answers rows, which are read. */
static int text(const char *sql, int rows) {
  if (mysql_query(connection, sql) != 0) return failed(mysql_errno(connection), mysql_error(connection));
  if (rows < 0) {
    MYSQL_RES *result = mysql_store_result(connection);
    if (result == NULL) return failed(mysql_errno(connection), mysql_error(connection));
    mysql_free_result(result);
  } else if (mysql_affected_rows(connection) != (unsigned long long)rows)
    return failed(1, "not as many rows as expected");
  return 1;
}

/* The same, prepared, with whole numbers as parameters. */
static int prepared(const char *sql, int rows, long first, long second) {
  long values[2] = {first, second};
  MYSQL_BIND bind[2];
  int fine = 0;
  MYSQL_STMT *statement = mysql_stmt_init(connection);
  memset(bind, 0, sizeof bind);
  for (int index = 0; index < 2; index++) {
    bind[index].buffer_type = MYSQL_TYPE_LONGLONG;
    bind[index].buffer = &values[index];
  }
  if (mysql_stmt_prepare(statement, sql, strlen(sql)) != 0 || mysql_stmt_bind_param(statement, bind) != 0 ||
      mysql_stmt_execute(statement) != 0 || (rows < 0 && mysql_stmt_store_result(statement) != 0))
    failed(mysql_stmt_errno(statement), mysql_stmt_error(statement));
  else if (rows >= 0 && mysql_stmt_affected_rows(statement) != (unsigned long long)rows)
    failed(1, "not as many rows as expected");
  else
    fine = 1;
  mysql_stmt_close(statement);
  return fine;
}

static int ask(int n, const char *sql, int rows, long first, long second) {
  char filled[200];
  if (n / 3 % 2 == 1) return prepared(sql, rows, first, second);
  char *to = filled;
  long values[2] = {first, second};
  int used = 0;
  for (const char *from = sql; *from != '\0'; from++) {
    if (*from == '?')
      to += sprintf(to, "%ld", values[used++]);
    else
      *to++ = *from;
  }
  *to = '\0';
  return text(filled, rows);
}

static const char *insert = "INSERT INTO kill_entry (run, n) VALUES (?, ?)";
static const char *update = "UPDATE kill_account SET balance = balance + 1 WHERE id = ?";

static int work(int n) {
  if (connection == NULL && !connect_to()) return 0;
  if (n % 3 == 1) return ask(n, insert, 1, run, n);
  if (n % 3 == 2) return ask(n, update, 1, 2 * run + 1, 0);
  if (!text("BEGIN", 0) || !ask(n, "SELECT balance FROM kill_account WHERE id = ?", -1, 2 * run, 0) ||
      !ask(n, update, 1, 2 * run, 0) || !ask(n, insert, 1, run, n))
    return 0;
  if (mysql_commit(connection) != 0) return failed(mysql_errno(connection), mysql_error(connection));
  return 1;
}

int main(void) {
  int n = 0;
  double pace = atof(getenv("PACE_MS")) / 1000;
  run = atol(getenv("RUN"));
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (access(getenv("STOP_FILE"), F_OK) != 0) {
    if (work(n))
      printf("ok %d\n", n++);
    else if (code == 1213) {
      printf("conflict %d\n", n);
      continue;
    } else {
      printf("error %d %u %s\n", n++, code, message);
      if (connection != NULL) mysql_close(connection);
      connection = NULL;
      pause_for(0.1);
    }
    pause_for(pace);
  }
  if (connection != NULL) mysql_close(connection);
  puts("done");
  return 0;
}
