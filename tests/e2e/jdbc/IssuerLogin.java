import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

/**
 * Logs in by the issuer, and prints the rows of a statement.
 *
 * <p>Arguments: JDBC URL, authority's certificate (PEM file), statement. With a token in the environment it is shown to Trino;
 * without, the driver prints where somebody has to go with a browser, and waits.
 */
class IssuerLogin {
    public static void main(String[] arguments) {
        String token = System.getenv("ACCESS_TOKEN");
        Properties properties = new Properties();
        properties.setProperty("SSLTrustStorePath", arguments[1]);
        if (token == null) {
            properties.setProperty("externalAuthentication", "true");
            properties.setProperty("externalAuthenticationRedirectHandlers", "PRINT");
            properties.setProperty("externalAuthenticationTimeout", "4m");
        } else {
            properties.setProperty("accessToken", token);
        }
        try (Connection connection = DriverManager.getConnection(arguments[0], properties);
                Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(arguments[2])) {
            while (rows.next()) {
                System.out.println("row: " + rows.getString(1));
            }
        } catch (SQLException refused) {
            System.out.println("refused: " + refused.getMessage().replace('\n', ' '));
            System.exit(1);
        }
    }
}
