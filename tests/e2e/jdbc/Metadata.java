import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/**
 * Asks for what a database tool such as DBeaver shows in its tree, and prints one answer a line: the call, then the columns
 * of a row that matter, separated by spaces.
 *
 * <p>Arguments: JDBC URL, user, schema, table. The password comes from the environment.
 */
class Metadata {
    private interface Call {
        ResultSet make() throws SQLException;
    }

    public static void main(String[] arguments) throws SQLException {
        String schema = arguments[2], table = arguments[3];
        Properties properties = new Properties();
        properties.setProperty("user", arguments[1]);
        properties.setProperty("password", System.getenv("TRINO_PASSWORD"));
        try (Connection connection = DriverManager.getConnection(arguments[0], properties)) {
            DatabaseMetaData data = connection.getMetaData();
            String catalog = connection.getCatalog();
            System.out.println("product " + data.getDatabaseProductName() + " " + data.getDatabaseProductVersion());
            System.out.println("user " + data.getUserName());
            print("catalog", data::getCatalogs, "TABLE_CAT");
            print("tabletype", data::getTableTypes, "TABLE_TYPE");
            print("type", data::getTypeInfo, "TYPE_NAME");
            print("schema", data::getSchemas, "TABLE_CATALOG", "TABLE_SCHEM");
            print("schemalike", () -> data.getSchemas(catalog, schema), "TABLE_SCHEM");
            print("table", () -> data.getTables(catalog, schema, "%", null), "TABLE_NAME", "TABLE_TYPE");
            print("column", () -> data.getColumns(catalog, schema, table, "%"), "COLUMN_NAME", "TYPE_NAME", "IS_NULLABLE");
            print("primarykey", () -> data.getPrimaryKeys(catalog, schema, table));
            print("importedkey", () -> data.getImportedKeys(catalog, schema, table));
            print("exportedkey", () -> data.getExportedKeys(catalog, schema, table));
            print("index", () -> data.getIndexInfo(catalog, schema, table, false, true));
            print("procedure", () -> data.getProcedures(catalog, schema, "%"));
            print("function", () -> data.getFunctions(catalog, schema, "%"));
            print("versioncolumn", () -> data.getVersionColumns(catalog, schema, table));
            print("rowidentifier", () -> data.getBestRowIdentifier(catalog, schema, table, 0, true));
            print("clientinfo", data::getClientInfoProperties, "NAME");
        }
    }

    private static void print(String name, Call call, String... columns) {
        try (ResultSet rows = call.make()) {
            int count = 0;
            for (; rows.next(); count++) {
                List<String> values = new ArrayList<>();
                for (String column : columns) {
                    values.add(rows.getString(column));
                }
                if (columns.length > 0) {
                    System.out.println(name + " " + String.join(" ", values));
                }
            }
            ResultSetMetaData shape = rows.getMetaData();
            System.out.printf("answer %s: %d rows of %d columns%n", name, count, shape.getColumnCount());
        } catch (SQLException refused) {
            System.out.printf("answer %s: refused, %s%n", name, refused.getMessage().replace('\n', ' '));
        }
    }
}
