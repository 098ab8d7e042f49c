import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

/**
 * Tries to get in, by one door after the other, and prints what becomes of each.
 *
 * <p>Arguments, four an attempt: a word for it, JDBC URL, user, name of the environment variable with the password ("-" for
 * none at all).
 */
class Attempts {
    public static void main(String[] arguments) {
        for (int i = 0; i < arguments.length; i += 4) {
            System.out.printf("%s: %s%n", arguments[i], attempt(arguments[i + 1], arguments[i + 2], arguments[i + 3]));
        }
    }

    /** Nothing is sent before the first statement, so there is one. */
    private static String attempt(String url, String user, String password) {
        Properties properties = new Properties();
        properties.setProperty("user", user);
        if (!password.equals("-")) {
            properties.setProperty("password", System.getenv(password));
        }
        try (Connection connection = DriverManager.getConnection(url, properties);
                Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT current_user")) {
            rows.next();
            return "in, as " + rows.getString(1);
        } catch (SQLException refused) {
            return "refused, " + refused.getMessage().replace('\n', ' ');
        }
    }
}
