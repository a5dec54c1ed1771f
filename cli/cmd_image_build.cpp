// slipway image build: a Dockerfile to an image, with the flags that users of `docker build` know.
#include <cstdlib>

#include "base/clock.h"
#include "cli/cmd_image.h"
#include "cli/direct_context.h"
#include "oci/export.h"
#include "oci/reference.h"
#include "oci/registry_client.h"
#include "oci/store.h"

namespace slipway::cli {

namespace {

struct Options {
  std::string file, target, platform, network;
  std::vector<std::string> tags, args, labels, outputs, mirrors;
  bool no_cache = false, pull = false, push = false, insecure = false;
  std::string context = ".";
};

// "NAME=VALUE"; a NAME alone takes its value from our environment, as docker's does.
std::map<std::string, std::string> pairs(const std::vector<std::string>& list, const char* flag,
                                         bool from_environment) {
  std::map<std::string, std::string> out;
  for (const auto& item : list) {
    const auto equals = item.find('=');
    const auto name = item.substr(0, equals);
    if (name.empty() || (equals == std::string::npos && !from_environment))
      throw Error(ExitCode::usage, fmt::format("`{} {}` is no NAME=VALUE", flag, item));
    if (equals != std::string::npos)
      out[name] = item.substr(equals + 1);
    else if (const char* value = std::getenv(name.c_str()))
      out[name] = value;
  }
  return out;
}

Invocation invocation_of(const Session& session, const Options& options) {
  Invocation out;
  out.action = "build";
  out.project_dir = fs::current_path();
  out.cache_dir = session.dirs.cache;
  out.state_dir = session.dirs.state;
  json params = {{"context", options.context},
                 {"args", pairs(options.args, "--build-arg", true)},
                 {"labels", pairs(options.labels, "--label", false)},
                 {"tags", options.tags},
                 {"no_cache", options.no_cache},
                 {"pull", options.pull},
                 {"insecure", options.insecure},
                 {"mirrors", pairs(options.mirrors, "--mirror", false)}};
  params["name"] = options.tags.empty()
                       ? "image"
                       : fs::path(oci::Reference::parse(options.tags[0]).repository).filename().string();
  // Given as docker takes it: relative to where we stand, not to the context.
  if (!options.file.empty()) params["dockerfile"] = fs::absolute(options.file).string();
  if (!options.target.empty()) params["target"] = options.target;
  if (!options.platform.empty()) params["platform"] = options.platform;
  if (!options.network.empty()) params["network"] = options.network;
  out.params = std::move(params);
  return out;
}

void push_all(const Session& session, const Options& options, const oci::Store& store,
              const oci::Descriptor& image) {
  if (options.tags.empty())
    throw Error(ExitCode::usage, "`--push` needs a name").hint("add `-t REGISTRY/NAME:TAG`");
  oci::RegistryOptions registry;
  registry.origins = oci::origins_folder(session.dirs.cache);
  registry.insecure = options.insecure;
  oci::RegistryClient client(registry, session.stop);
  for (const auto& tag : options.tags) {
    const auto reference = oci::Reference::parse(tag);
    client.push(store, image, reference);
    if (session.progress != "quiet") fmt::print(stderr, "pushed {}\n", reference.str());
  }
}

void build(Session& session, const Options& options) {
  for (const auto& tag : options.tags) oci::Reference::parse(tag);  // refused before any work
  DirectContext context(session);
  const auto started = now_micros();
  const auto outcome =
      session.plugins->get("dockerfile", fs::current_path()).run(invocation_of(session, options), context);
  if (!outcome.ok) return report_failure(session, outcome);
  const auto store = oci::open_user_store(session.dirs.cache);
  const auto image = oci::descriptor_from_json(outcome.outputs.at("descriptor"));
  const auto name = options.tags.empty() ? std::string() : oci::Reference::parse(options.tags[0]).str();
  for (const auto& target : options.outputs) oci::export_image(store, image, target, name);
  if (options.push) push_all(session, options, store, image);
  if (session.progress != "quiet") {
    const auto cache = context.last("cache");
    fmt::print(stderr, "built in {}, {} of {} instructions from the cache\n",
               format_duration(Millis((now_micros() - started) / 1000)), cache.value("cached", 0),
               cache.value("instructions", 0));
  }
  if (session.output == "json")
    fmt::print("{}\n", outcome.outputs.dump());
  else
    fmt::print("{}\n", outcome.outputs.at("digest").get<std::string>());
}

}  // namespace

void add_image_build(CLI::App& image, Session& session) {
  auto* command = image.add_subcommand("build", "build an image from a Dockerfile");
  auto options = std::make_shared<Options>();
  command->add_option("-f,--file", options->file, "the Dockerfile (default: CONTEXT/Dockerfile)");
  command->add_option("-t,--tag", options->tags, "name in the local store, and for --push")
      ->allow_extra_args(false);
  command->add_option("--target", options->target, "stage to build");
  command->add_option("--build-arg", options->args, "value for an ARG: NAME=VALUE")->allow_extra_args(false);
  command->add_option("--label", options->labels, "label of the image: KEY=VALUE")->allow_extra_args(false);
  command->add_option("--platform", options->platform, "linux/amd64 and the like");
  command->add_option("--network", options->network, "network of RUN: default, host or none");
  command->add_option("--mirror", options->mirrors, "where else images are: docker.io=HOST[/PREFIX]")
      ->allow_extra_args(false);
  command->add_option("-o,--output", options->outputs, "oci:DIR, oci-archive:FILE or docker-archive:FILE")
      ->allow_extra_args(false);
  command->add_flag("--no-cache", options->no_cache, "run every instruction again");
  command->add_flag("--pull", options->pull, "ask registries again what tags point to");
  command->add_flag("--push", options->push, "push every -t name");
  command->add_flag("--insecure", options->insecure, "plain HTTP to registries that are not on this machine");
  command->add_option("CONTEXT", options->context, "folder that COPY takes files from")->required();
  command->callback([&session, options] { build(session, *options); });
}

}  // namespace slipway::cli
