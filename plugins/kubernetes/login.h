// Who slipway is to the API server, put on each request: client certificate, token, credential program.
#pragma once
#include <cstdint>

#include "plugins/kubernetes/kubeconfig.h"
#include "sys/http.h"

namespace slipway::kubernetes {

class Login {
 public:
  explicit Login(const Connection& connection) : connection_(connection) {}
  // Which credentials these are: a number for renew().
  int put_on(HttpRequest& request);
  // After a 401 to a request with these credentials: true when others may be had, which the next request
  // gets. Of many requests that were refused at once, the first asks for new ones.
  bool renew(int used);

 private:
  struct Given {
    Secret token, key_pem;
    std::string cert_pem;
    std::int64_t expires = 0;  // microseconds since the epoch; 0: with the process
  };
  const Given& ask_program();

  const Connection& connection_;
  std::optional<Given> given_;
  int number_ = 0;
};

}  // namespace slipway::kubernetes
