/**
 * Two gateways from Java: by a URL with both (argument "url"), by a pool over that URL ("pool"), or by a list of our own
 * ("list"). When the connection is lost, the fate of the transaction in doubt is asked at whichever gateway answers.
 * What it writes is that of the kill test; docs/clients.md explains it.
 */
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import org.mariadb.jdbc.MariaDbPoolDataSource;

public class TwoAddresses {
  /** Opens a connection to a gateway that answers. */
  interface Source {
    Connection open() throws SQLException;
  }

  static final long run = Long.parseLong(System.getenv("RUN"));
  static String key;

  public static void main(String[] args) throws Exception {
    long pace = Long.parseLong(System.getenv("PACE_MS"));
    Path stop = Path.of(System.getenv("STOP_FILE"));
    Source source = sourceFor(args[0]);
    Connection connection = null;
    int n = 0;
    while (!Files.exists(stop)) {
      key = null;
      try {
        if (connection == null || args[0].equals("pool")) connection = source.open();
        transaction(connection, n);
        if (args[0].equals("pool")) connection.close();
        System.out.println("ok " + n++);
      } catch (SQLException error) {
        if (error.getErrorCode() == 1213) {
          System.out.println("conflict " + n);
          connection.rollback();
          continue;
        }
        close(connection);
        connection = null;
        String fate = isLost(error) ? fate(source) : "unknown";
        System.out.println("fate " + n + " " + fate);
        if (fate.equals("committed")) System.out.println("ok " + n++);
        if (fate.equals("unknown"))
          System.out.println("error " + n++ + " " + error.getSQLState() + " " + error.getMessage().split("\n")[0]);
      }
      Thread.sleep(pace);
    }
    close(connection);
    System.out.println("done");
    System.exit(0);
  }

  static Source sourceFor(String way) throws SQLException {
    String[] hosts = System.getenv("DB_HOSTS").split(",");
    String rest = "/" + System.getenv("DB_NAME") + "?user=" + System.getenv("DB_USER") + "&password="
        + System.getenv("DB_PASSWORD") + "&useSsl=true&serverSslCert=" + System.getenv("DB_CA") + "&connectTimeout=1000";
    String both = "jdbc:mariadb:sequential://" + String.join(",", hosts) + rest;
    if (way.equals("url")) return () -> DriverManager.getConnection(both);
    if (way.equals("pool")) {
      MariaDbPoolDataSource pool = new MariaDbPoolDataSource(both + "&maxPoolSize=3&minPoolSize=1&poolValidMinDelay=0");
      return pool::getConnection;
    }
    return () -> {
      SQLException last = null;
      for (String host : hosts) {
        try {
          return DriverManager.getConnection("jdbc:mariadb://" + host + rest);
        } catch (SQLException error) {
          last = error;
        }
      }
      throw last;
    };
  }

  /** 08: the connection is gone. 25S03: it is gone, and the driver has made another one in its place. */
  static boolean isLost(SQLException error) {
    String state = error.getSQLState() == null ? "" : error.getSQLState();
    return state.startsWith("08") || state.equals("25S03");
  }

  /** Asked until a gateway answers: right after a loss the one that is left may still be busy with others. */
  static String fate(Source source) throws InterruptedException {
    if (key == null) return "not committed";
    for (int attempt = 0; attempt < 50; attempt++) {
      try (Connection connection = source.open();
          PreparedStatement question = connection.prepareStatement("SELECT coequal.outcome('" + key + "')");
          ResultSet answer = question.executeQuery()) {
        answer.next();
        return answer.getString(1);
      } catch (SQLException error) {
        Thread.sleep(100);
      }
    }
    return "unknown";
  }

  static void transaction(Connection connection, int n) throws SQLException {
    connection.setAutoCommit(false);
    try (PreparedStatement question = connection.prepareStatement("SELECT coequal.session()");
        ResultSet answer = question.executeQuery()) {
      answer.next();
      key = answer.getString(1);
    }
    write(connection, "UPDATE kill_account SET balance = balance + 1 WHERE id = ?", 2 * run);
    write(connection, "INSERT INTO kill_entry (run, n) VALUES (?, ?)", run, n);
    connection.commit();
  }

  static void write(Connection connection, String sql, long... values) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int index = 0; index < values.length; index++) statement.setLong(index + 1, values[index]);
      int rows = statement.executeUpdate();
      if (rows != 1) throw new SQLException(rows + " rows instead of one");
    }
  }

  static void close(Connection connection) {
    try {
      if (connection != null) connection.close();
    } catch (SQLException error) {
      System.err.println("closing: " + error.getMessage());
    }
  }
}
