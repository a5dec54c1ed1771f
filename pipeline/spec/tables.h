// The tables of the spec's sections, in the order of the reference.
#pragma once
#include "spec/spec.h"
#include "spec/table.h"

namespace slipway {

const Table<Source>& source_table();
const Table<Registry>& registry_table();
const Table<SecretSpec>& secret_table();
const Table<Service>& backing_table();
const Table<Image>& image_table();
const Table<Test>& test_table();
const Table<Service>& service_table();
std::vector<Key<Service>> cluster_keys();  // of services, for clusters alone
const Table<Healthcheck>& healthcheck_table();
const Table<Environment>& environment_table();
const Table<Target>& target_table();
const Table<ReleaseCheck>& release_check_table();
const Table<Strategy>& rolling_table();
const Table<Strategy>& blue_green_table();
const Table<Strategy>& canary_table();
// The row of an environment.
Key<Environment> strategy_key();
// What stands between the tests and a rollout: `requires`, `approval`, `concurrency`, `rollback`.
std::vector<Key<Environment>> gate_keys();
const Table<Requirement>& requirement_table();
const Table<Approval>& approval_table();
const Table<UserStep>& step_table();
const Table<Retain>& retain_table();
const Table<Spec>& spec_table();

// The rows of all tables, for the reference: [{title, summary, keys: [{name, summary, required, planned,
// schema}]}].
struct Section {
  std::string path;  // "services.NAME"
  std::string title, summary;
  std::vector<KeyInfo> keys;
};
std::vector<Section> all_sections();

}  // namespace slipway
