import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;

/** java.net.http.HttpClient, with the protocol of its choice. */
class HttpClientMain {
    static final String ARM = System.getenv("ARM") + System.getenv("RG");
    static final String VERSION = "?api-version=2021-04-01";
    static final HttpClient CLIENT = HttpClient.newHttpClient();

    static void call(String method, String url, BodyPublisher body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url))
                .header("Authorization", "Bearer " + System.getenv("ARM_TOKEN"))
                .header("Content-Type", "application/json")
                .method(method, body)
                .build();
        HttpResponse<String> response = CLIENT.send(request, BodyHandlers.ofString());
        if (response.statusCode() / 100 != 2) {
            throw new IllegalStateException(method + " " + url + ": " + response.statusCode() + " " + response.body());
        }
    }

    public static void main(String[] args) throws Exception {
        call("PUT", ARM + VERSION, BodyPublishers.ofString("{\"location\": \"westeurope\"}"));
        call("GET", ARM + VERSION, BodyPublishers.noBody());
        call("PUT", ARM + "/providers/Microsoft.Resources/deployments/first" + VERSION, BodyPublishers.ofString("{\"properties\": {}}"));
        call("PATCH", ARM + VERSION, BodyPublishers.ofString("{\"tags\": {\"a\": \"b\"}}"));
        call("PUT", System.getenv("OTHER") + "/container/blob", BodyPublishers.ofString("blob"));
        call("DELETE", ARM + VERSION, BodyPublishers.noBody());
    }
}
