/** Kill test with MariaDB Connector/J and its own connection pool. What every program does is told in the README beside it. */
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import org.mariadb.jdbc.MariaDbPoolDataSource;

public class KillTest {
  static final long run = Long.parseLong(System.getenv("RUN"));

  public static void main(String[] args) throws Exception {
    long pace = Long.parseLong(System.getenv("PACE_MS"));
    Path stop = Path.of(System.getenv("STOP_FILE"));
    String url = System.getenv("DB_URL");
    // Two pools, because whether statements are prepared on the server is a property of the connection.
    try (MariaDbPoolDataSource text = new MariaDbPoolDataSource(url + "&useServerPrepStmts=false");
        MariaDbPoolDataSource prepared = new MariaDbPoolDataSource(url + "&useServerPrepStmts=true")) {
      int n = 0;
      while (!Files.exists(stop)) {
        try {
          work(n / 3 % 2 == 0 ? text : prepared, n);
          System.out.println("ok " + n);
          n += 1;
        } catch (SQLException error) {
          if (error.getErrorCode() == 1213) {
            System.out.println("conflict " + n);
            continue;
          }
          String code = error.getErrorCode() > 0 ? "" + error.getErrorCode() : error.getSQLState();
          System.out.println("error " + n + " " + code + " " + error.getMessage().split("\n")[0]);
          n += 1;
          Thread.sleep(100);
        }
        Thread.sleep(pace);
      }
    }
    System.out.println("done");
  }

  static void work(MariaDbPoolDataSource pool, int n) throws SQLException {
    try (Connection connection = pool.getConnection()) {
      switch (n % 3) {
        case 0 -> transaction(connection, n);
        case 1 -> write(connection, "INSERT INTO kill_entry (run, n) VALUES (?, ?)", run, n);
        default -> write(connection, "UPDATE kill_account SET balance = balance + 1 WHERE id = ?", 2 * run + 1);
      }
    }
  }

  static void transaction(Connection connection, int n) throws SQLException {
    connection.setAutoCommit(false);
    try {
      try (PreparedStatement select = connection.prepareStatement("SELECT balance FROM kill_account WHERE id = ?")) {
        select.setLong(1, 2 * run);
        select.executeQuery().close();
      }
      write(connection, "UPDATE kill_account SET balance = balance + 1 WHERE id = ?", 2 * run);
      write(connection, "INSERT INTO kill_entry (run, n) VALUES (?, ?)", run, n);
      connection.commit();
    } catch (SQLException error) {
      // As every book on JDBC says: what failed is rolled back before the connection returns to its pool.
      try {
        connection.rollback();
      } catch (SQLException again) {
        error.addSuppressed(again);
      }
      throw error;
    } finally {
      if (!connection.isClosed()) connection.setAutoCommit(true);
    }
  }

  static void write(Connection connection, String sql, long... values) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int index = 0; index < values.length; index++) statement.setLong(index + 1, values[index]);
      int rows = statement.executeUpdate();
      if (rows != 1) throw new SQLException(rows + " rows instead of one");
    }
  }
}
