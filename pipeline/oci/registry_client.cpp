#include "oci/registry_client.h"

#include <fcntl.h>

#include <cerrno>

#include "base/error.h"
#include "oci/blob_origins.h"
#include "oci/registry_http.h"

namespace slipway::oci {

namespace {

constexpr std::uint64_t kMaxManifest = 4ull << 20;  // bytes; distribution-spec asks for at least this much
constexpr int kMaxIndexDepth = 3;

const std::string& accepted_manifests() {
  static const std::string list = fmt::format("{}, {}, {}, {}", media::manifest, media::index,
                                              media::docker_manifest, media::docker_index);
  return list;
}

struct Fetched {
  Descriptor descriptor;
  std::string body;
};

Error unexpected(const Endpoint& endpoint, const std::string& what) {
  return Error(ExitCode::unavailable, fmt::format("registry `{}` {}", endpoint.registry, what));
}

// What a manifest says it is, its header says it is: those are to agree.
std::string media_type_of(const Endpoint& endpoint, const HttpResponse& response) {
  auto type = response.header("content-type");
  if (const auto semicolon = type.find(';'); semicolon != std::string::npos) type.resize(semicolon);
  const auto body = json::parse(response.body, nullptr, false);
  if (!body.is_object())
    throw unexpected(endpoint, fmt::format("answers with `{}` where a manifest should be",
                                           type.empty() ? "nothing" : type))
        .hint("is this the address of a registry?");
  if (body.contains("schemaVersion") && body["schemaVersion"] == 1)
    throw unexpected(endpoint, "has this image in the form of 2014 (schema 1) only")
        .hint("push it again with a newer tool");
  if (body.contains("mediaType") && body["mediaType"].is_string())
    return body["mediaType"].get<std::string>();
  if (is_manifest(type) || is_index(type)) return type;
  return std::string(body.contains("manifests") ? media::index : media::manifest);
}

}  // namespace

struct RegistryClient::Impl {
  Impl(RegistryOptions given, std::stop_token stop_token)
      : options(std::move(given)), http(options, std::move(stop_token)), origins(options.origins) {}

  static std::string selector(const Reference& reference) {
    return reference.digest ? reference.digest->str() : reference.tag;
  }

  [[noreturn]] static void not_found(const Reference& reference) {
    throw Error(ExitCode::unavailable, fmt::format("there is no image `{}`", reference.familiar()))
        .hint("look at the name and the tag; a private image needs a login");
  }

  template <typename F>
  static auto named(const std::string& doing, const Reference& reference, F&& work) {
    try {
      return work();
    } catch (Error& e) {
      e.trail(fmt::format("while {} `{}`", doing, reference.familiar()));
      throw;
    }
  }

  Fetched manifest(const Endpoint& endpoint, const Reference& reference, const std::string& which) {
    HttpRequest request;
    request.headers["Accept"] = accepted_manifests();
    request.max_body = kMaxManifest;
    auto response = http.send(endpoint, "manifests/" + which, request, "pull");
    if (response.status == 404) not_found(reference);
    Fetched out;
    out.descriptor.media_type = media_type_of(endpoint, response);
    out.descriptor.digest = Digest::of(response.body);
    out.descriptor.size = response.body.size();
    out.body = std::move(response.body);
    const auto wanted = Digest::parse(which);
    if (wanted && *wanted != out.descriptor.digest)
      throw unexpected(endpoint, fmt::format("answers with other content than `{}`", which))
          .hint("something between here and there changed it; nothing was kept");
    if (const auto told = Digest::parse(response.header("docker-content-digest"));
        told && *told != out.descriptor.digest)
      throw unexpected(endpoint,
                       fmt::format("sent a manifest that is not the `{}` it announced", told->str()))
          .retryable();
    return out;
  }

  void fetch_blob(const Endpoint& endpoint, const Descriptor& blob, Store& into, const OnBytes& on_bytes,
                  std::int64_t done, std::int64_t total) {
    if (into.has(blob)) return;
    http.with_retries([&] {
      auto writer = into.writer();
      HttpRequest request;
      request.on_body = [&](std::string_view bytes) {
        if (writer.size() + bytes.size() > blob.size)
          throw unexpected(endpoint,
                           fmt::format("sent more than the {} bytes of `{}`", blob.size, blob.digest.str()));
        writer.write(bytes);
        if (on_bytes) on_bytes(done + static_cast<std::int64_t>(writer.size()), total);
      };
      const auto response = http.send(endpoint, "blobs/" + blob.digest.str(), request, "pull");
      if (response.status == 404)
        throw unexpected(endpoint, fmt::format("has lost the blob `{}`", blob.digest.str()))
            .hint("push the image again");
      if (writer.size() != blob.size)
        throw unexpected(endpoint, fmt::format("sent {} of the {} bytes of `{}`", writer.size(), blob.size,
                                               blob.digest.str()))
            .retryable();
      writer.commit(blob.digest);
    });
  }

  Descriptor pull(const Reference& reference, Store& into, const Platform& platform,
                  const OnBytes& on_bytes) {
    const auto endpoint = endpoint_of(reference, options);
    auto got = manifest(endpoint, reference, selector(reference));
    for (int depth = 0; is_index(got.descriptor.media_type); ++depth) {
      if (depth == kMaxIndexDepth) throw unexpected(endpoint, "nests indexes in indexes");
      const auto chosen = choose_platform(parse_index(got.body), platform);
      got = manifest(endpoint, reference, chosen.digest.str());
    }
    const auto parsed = parse_manifest(got.body);
    std::int64_t total = static_cast<std::int64_t>(parsed.config.size), done = 0;
    for (const auto& layer : parsed.layers) total += static_cast<std::int64_t>(layer.size);
    std::vector<Descriptor> blobs = {parsed.config};
    blobs.insert(blobs.end(), parsed.layers.begin(), parsed.layers.end());
    for (const auto& blob : blobs) {
      fetch_blob(endpoint, blob, into, on_bytes, done, total);
      origins.note(blob.digest, endpoint.host, endpoint.repository);
      done += static_cast<std::int64_t>(blob.size);
      if (on_bytes) on_bytes(done, total);
    }
    into.put(got.body);  // last: a manifest in the store has all it refers to
    return got.descriptor;
  }

  // A small blob (a config) as text.
  std::string document(const Endpoint& endpoint, const Descriptor& blob) {
    if (blob.size > kMaxManifest)
      throw unexpected(endpoint,
                       fmt::format("has a config of {} bytes, more than {}", blob.size, kMaxManifest));
    HttpRequest request;
    request.max_body = kMaxManifest;
    const auto response = http.send(endpoint, "blobs/" + blob.digest.str(), request, "pull");
    if (response.status == 404)
      throw unexpected(endpoint, fmt::format("has lost the blob `{}`", blob.digest.str()))
          .hint("push the image again");
    if (Digest::of(response.body) != blob.digest)
      throw unexpected(endpoint, fmt::format("answers with other content than `{}`", blob.digest.str()));
    return response.body;
  }

  ImageDescription describe(const Reference& reference, const Platform& platform) {
    const auto endpoint = endpoint_of(reference, options);
    auto got = manifest(endpoint, reference, selector(reference));
    ImageDescription out;
    out.descriptor = got.descriptor;
    for (int depth = 0; is_index(got.descriptor.media_type); ++depth) {
      if (depth == kMaxIndexDepth) throw unexpected(endpoint, "nests indexes in indexes");
      const auto index = parse_index(got.body);
      if (!out.index) out.index = index;
      got = manifest(endpoint, reference, choose_platform(index, platform).digest.str());
    }
    out.manifest_descriptor = got.descriptor;
    out.manifest = parse_manifest(got.body);
    out.config = parse_config(document(endpoint, out.manifest.config));
    return out;
  }

  bool has_blob(const Endpoint& endpoint, const Descriptor& blob) {
    HttpRequest request;
    request.method = "HEAD";
    return http.send(endpoint, "blobs/" + blob.digest.str(), request, "pull,push").status != 404;
  }

  // Takes the blob from another repository of the registry. Whatever goes wrong, it can still be sent.
  bool mount_blob(Endpoint endpoint, const Descriptor& blob) {
    const auto from = origins.find(blob.digest, endpoint.host, endpoint.repository);
    if (!from) return false;
    endpoint.mount_from = *from;
    HttpRequest request;
    request.method = "POST";
    try {
      const auto path = fmt::format("blobs/uploads/?mount={}&from={}", blob.digest.str(), *from);
      return http.send(endpoint, path, request, "pull,push").status == 201;
    } catch (const Error& e) {
      if (e.code() == ExitCode::interrupted) throw;
      return false;
    }
  }

  // Opens an upload and sends the whole blob (distribution-spec "POST then PUT"); from the start again when
  // the connection breaks.
  void send_blob(const Endpoint& endpoint, const Store& from, const Descriptor& blob, const OnBytes& on_bytes,
                 std::int64_t done, std::int64_t total) {
    if (has_blob(endpoint, blob) || mount_blob(endpoint, blob)) return;
    http.with_retries([&] {
      HttpRequest open;
      open.method = "POST";
      const auto opened = http.send(endpoint, "blobs/uploads/", open, "pull,push");
      const auto location = opened.header("location");
      if (opened.status != 202 || location.empty())
        throw unexpected(endpoint, fmt::format("opens no upload: it answers {}", opened.status));
      // Relative to where the upload was opened.
      auto url = resolve_url(http.url_of(endpoint, "blobs/uploads/"), location);
      url += (url.find('?') == std::string::npos ? "?digest=" : "&digest=") + blob.digest.str();
      const auto path = from.blob_path(blob.digest);
      const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!file) throw_errno(fmt::format("read `{}`", path.string()), errno);
      std::int64_t sent = 0;
      HttpRequest put;
      put.method = "PUT";
      put.headers["Content-Type"] = "application/octet-stream";
      put.body_size = blob.size;
      put.read_body = [&](char* buffer, std::size_t size) {
        const auto count = ::read(file.get(), buffer, size);
        if (count < 0) throw_errno(fmt::format("read `{}`", path.string()), errno);
        sent += count;
        if (on_bytes) on_bytes(done + sent, total);
        return static_cast<std::size_t>(count);
      };
      const auto stored = http.send(endpoint, url, put, "pull,push");
      if (stored.status == 401) throw unexpected(endpoint, "asks for a new login").retryable();
      if (stored.status == 404) throw unexpected(endpoint, "has forgotten the upload").retryable();
    });
  }

  void send_manifest(const Endpoint& endpoint, const Store& from, const Descriptor& image,
                     const std::string& which) {
    HttpRequest look;
    look.method = "HEAD";
    look.headers["Accept"] = accepted_manifests();
    const auto there = http.send(endpoint, "manifests/" + which, look, "pull,push");
    if (there.status == 200 && there.header("docker-content-digest") == image.digest.str()) return;
    HttpRequest put;
    put.method = "PUT";
    put.headers["Content-Type"] = image.media_type;
    put.body = from.get(image.digest);
    const auto stored = http.send(endpoint, "manifests/" + which, put, "pull,push");
    if (stored.status == 404)
      throw unexpected(endpoint, fmt::format("has no repository `{}`", endpoint.repository));
    if (const auto told = Digest::parse(stored.header("docker-content-digest"));
        told && *told != image.digest)
      throw unexpected(endpoint, fmt::format("stored `{}` instead of `{}`", told->str(), image.digest.str()));
  }

  void push_one(const Endpoint& endpoint, const Store& from, const Descriptor& image,
                const std::string& which, const OnBytes& on_bytes) {
    if (is_index(image.media_type)) {
      for (const auto& child : parse_index(from.get(image.digest)).manifests)
        push_one(endpoint, from, child, child.digest.str(), on_bytes);
    } else {
      const auto parsed = parse_manifest(from.get(image.digest));
      std::vector<Descriptor> blobs = parsed.layers;
      blobs.push_back(parsed.config);
      std::int64_t total = 0, done = 0;
      for (const auto& blob : blobs) total += static_cast<std::int64_t>(blob.size);
      for (const auto& blob : blobs) {
        send_blob(endpoint, from, blob, on_bytes, done, total);
        origins.note(blob.digest, endpoint.host, endpoint.repository);
        done += static_cast<std::int64_t>(blob.size);
        if (on_bytes) on_bytes(done, total);
      }
    }
    send_manifest(endpoint, from, image, which);
  }

  RegistryOptions options;
  RegistryHttp http;
  BlobOrigins origins;
};

RegistryClient::RegistryClient(RegistryOptions options, std::stop_token stop)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(stop))) {}
RegistryClient::~RegistryClient() = default;

Descriptor RegistryClient::resolve(const Reference& reference) {
  return Impl::named("asking for", reference, [&] {
    const auto endpoint = endpoint_of(reference, impl_->options);
    HttpRequest request;
    request.method = "HEAD";
    request.headers["Accept"] = accepted_manifests();
    const auto response =
        impl_->http.send(endpoint, "manifests/" + Impl::selector(reference), request, "pull");
    if (response.status == 404) Impl::not_found(reference);
    const auto digest = Digest::parse(response.header("docker-content-digest"));
    const auto size = response.header("content-length");
    if (digest && reference.digest && *digest != *reference.digest)
      throw unexpected(endpoint, fmt::format("answers with `{}` when asked for `{}`", digest->str(),
                                             reference.digest->str()));
    if (!digest || size.empty() || size.size() > 9)
      return impl_->manifest(endpoint, reference, Impl::selector(reference)).descriptor;
    Descriptor out;
    out.media_type = response.header("content-type");
    if (const auto semicolon = out.media_type.find(';'); semicolon != std::string::npos)
      out.media_type.resize(semicolon);
    if (!is_manifest(out.media_type) && !is_index(out.media_type))
      return impl_->manifest(endpoint, reference, Impl::selector(reference)).descriptor;
    out.digest = *digest;
    out.size = std::stoull(size);
    return out;
  });
}

ImageDescription RegistryClient::describe(const Reference& reference, const Platform& platform) {
  return Impl::named("looking at", reference, [&] { return impl_->describe(reference, platform); });
}

ImageDescription describe_stored(const Store& store, const Descriptor& image, const Platform& platform) {
  ImageDescription out;
  out.descriptor = out.manifest_descriptor = image;
  for (int depth = 0; is_index(out.manifest_descriptor.media_type); ++depth) {
    if (depth == kMaxIndexDepth) throw Error(ExitCode::unavailable, "an image index is nested too deep");
    const auto index = parse_index(store.get(out.manifest_descriptor.digest));
    if (!out.index) out.index = index;
    out.manifest_descriptor = choose_platform(index, platform);
  }
  out.manifest = store.manifest(out.manifest_descriptor, platform);
  out.config = store.config(out.manifest);
  return out;
}

Descriptor RegistryClient::pull(const Reference& reference, Store& into, const Platform& platform,
                                const OnBytes& on_bytes) {
  return Impl::named("pulling", reference, [&] { return impl_->pull(reference, into, platform, on_bytes); });
}

Descriptor RegistryClient::push(const Store& from, const Descriptor& image, const Reference& to,
                                const OnBytes& on_bytes) {
  return Impl::named("pushing", to, [&] {
    impl_->push_one(endpoint_of(to, impl_->options), from, image, Impl::selector(to), on_bytes);
    return image;
  });
}

}  // namespace slipway::oci
