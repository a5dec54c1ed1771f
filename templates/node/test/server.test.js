const test = require("node:test");
const assert = require("node:assert");
const http = require("node:http");
const server = require("../server.js");

test("it greets", (_, done) => {
  server.listen(0, () => {
    http.get({ port: server.address().port }, (response) => {
      response.setEncoding("utf8");
      response.on("data", (text) => assert.deepEqual(JSON.parse(text), { hello: "world" }));
      response.on("end", () => server.close(done));
    });
  });
});
