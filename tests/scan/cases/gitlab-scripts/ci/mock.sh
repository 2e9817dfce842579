docker run --rm -p 8080:8080 wiremock/wiremock:3.9.1
