// When libgit2 reads the machine's TLS certificates: not before it needs them.
#pragma once

namespace slipway::git {

// libgit2 on mbedTLS (as Debian builds it) reads every certificate of the machine as it starts, which takes
// longer than a whole run that has nothing to do, and most runs speak to no server. While one of these lives,
// on any thread, those reads are put off: git_certificates.cpp stands before mbedTLS's functions.
class PutOffCertificates {
 public:
  PutOffCertificates();
  ~PutOffCertificates();
};

// Reads them now, once per process: what was put off, or what $GIT_SSL_CAINFO, $SSL_CERT_FILE,
// $GIT_SSL_CAPATH and $SSL_CERT_DIR name instead. Before any connection that may use TLS. Any thread.
void load_certificates();

}  // namespace slipway::git
