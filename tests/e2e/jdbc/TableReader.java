import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

/**
 * Reads a table as a database tool does: its columns from the metadata, its rows by a statement, one row by a prepared
 * statement. Prints one fact a line.
 *
 * <p>Arguments: JDBC URL, user, authority's certificate (PEM file), schema, table, id of a row. The password comes from the
 * environment, since arguments show in every process list.
 */
class TableReader {
    public static void main(String[] arguments) {
        String url = arguments[0], schema = arguments[3], table = arguments[4], id = arguments[5];
        Properties properties = new Properties();
        properties.setProperty("user", arguments[1]);
        properties.setProperty("password", System.getenv("TRINO_PASSWORD"));
        properties.setProperty("SSLTrustStorePath", arguments[2]);
        try (Connection connection = DriverManager.getConnection(url, properties)) {
            printColumns(connection, schema, table);
            printCount(connection, schema + "." + table);
            printRow(connection, schema + "." + table, id);
        } catch (SQLException refused) {
            System.out.println("refused: " + refused.getMessage());
            System.exit(1);
        }
    }

    private static void printColumns(Connection connection, String schema, String table) throws SQLException {
        DatabaseMetaData metadata = connection.getMetaData();
        try (ResultSet columns = metadata.getColumns(connection.getCatalog(), schema, table, null)) {
            while (columns.next()) {
                System.out.printf("column: %s %s%n", columns.getString("COLUMN_NAME"), columns.getString("TYPE_NAME"));
            }
        }
    }

    private static void printCount(Connection connection, String table) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT count(*) FROM " + table)) {
            rows.next();
            System.out.println("rows: " + rows.getLong(1));
        }
    }

    private static void printRow(Connection connection, String table, String id) throws SQLException {
        String query = "SELECT title, categories[1].name, created_at_etl FROM " + table + " WHERE id = ?";
        try (PreparedStatement statement = connection.prepareStatement(query)) {
            statement.setString(1, id);
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    System.out.println("title: " + rows.getString(1));
                    System.out.println("category: " + rows.getString(2));
                    System.out.println("ingested: " + rows.getTimestamp(3).toInstant());
                }
            }
        }
    }
}
