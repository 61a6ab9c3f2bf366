import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.HttpsURLConnection;

/** Fetches https://TARGET/ for each argument, with both clients of the JDK, and says how it went. */
public class Fetch {
    interface Client {
        String get(String url) throws Exception;
    }

    public static void main(String[] targets) {
        // The proxy and the trust store come from the usual system properties.
        HttpClient http = HttpClient.newHttpClient();
        for (String target : targets) {
            String url = "https://" + target + "/";
            say("HttpsURLConnection", target, u -> {
                HttpsURLConnection c = (HttpsURLConnection) new URL(u).openConnection();
                return new String(c.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            }, url);
            say("HttpClient", target, u -> http.send(
                HttpRequest.newBuilder(URI.create(u)).build(), HttpResponse.BodyHandlers.ofString()).body(), url);
        }
    }

    static void say(String client, String target, Client c, String url) {
        String verdict;
        try {
            verdict = "accepted " + c.get(url);
        } catch (IllegalArgumentException e) {
            // HttpClient takes the brackets of an IPv6 address for a part of the server's name.
            verdict = "unable " + e;
        } catch (Exception e) {
            verdict = "refused " + e;
        }
        System.out.println(client + " " + target + " " + verdict.replace('\n', ' ').replace('\r', ' '));
    }
}
