import java.io.InputStream;
import java.io.OutputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.HttpsURLConnection;

/** HttpsURLConnection, the client of old Java programs; it knows no PATCH. */
class UrlConnectionMain {
    static final String ARM = System.getenv("ARM") + System.getenv("RG");
    static final String VERSION = "?api-version=2021-04-01";

    static void call(String method, String url, String body) throws Exception {
        HttpsURLConnection connection = (HttpsURLConnection) new URL(url).openConnection();
        connection.setRequestMethod(method);
        connection.setRequestProperty("Authorization", "Bearer " + System.getenv("ARM_TOKEN"));
        if (body != null) {
            connection.setDoOutput(true);
            connection.setRequestProperty("Content-Type", "application/json");
            try (OutputStream out = connection.getOutputStream()) {
                out.write(body.getBytes(StandardCharsets.UTF_8));
            }
        }
        if (connection.getResponseCode() / 100 != 2) {
            throw new IllegalStateException(method + " " + url + ": " + connection.getResponseCode());
        }
        try (InputStream in = connection.getInputStream()) {
            in.readAllBytes();
        }
    }

    public static void main(String[] args) throws Exception {
        call("PUT", ARM + VERSION, "{\"location\": \"westeurope\"}");
        call("GET", ARM + VERSION, null);
        call("PUT", ARM + "/providers/Microsoft.Resources/deployments/first" + VERSION, "{\"properties\": {}}");
        call("POST", ARM + "/providers/Microsoft.Resources/deployments/first/validate" + VERSION, "{\"properties\": {}}");
        call("PUT", System.getenv("OTHER") + "/container/blob", "blob");
        call("DELETE", ARM + VERSION, null);
    }
}
