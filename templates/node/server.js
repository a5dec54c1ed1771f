const http = require("node:http");

const server = http.createServer((request, response) => {
  if (request.url === "/healthz") return response.end("ok\n");
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ hello: process.env.GREETING || "world" }) + "\n");
});

if (require.main === module) {
  server.listen(8080);
  process.on("SIGTERM", () => server.close(() => process.exit(0)));
}

module.exports = server;
