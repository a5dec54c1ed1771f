#include "run/collect.h"

#include <catch2/catch.hpp>

#include "oci/store.h"
#include "support/fake_run.h"

using namespace slipway;

namespace {

struct Cache {
  TempDir dir{fs::temp_directory_path(), "slipway-collect-"};
  Dirs dirs{dir.path() / "cache", dir.path() / "state"};
  oci::Store store = oci::open_user_store(dirs.cache);
  StepCache index{dirs.cache};
  std::int64_t clock = now_micros() - 100 * 3'600'000'000ll;

  // An image of one layer of `kilobytes`, unpacked too, that a step made an hour after the one before.
  oci::Descriptor image(const std::string& name, std::size_t kilobytes) {
    std::string bytes(kilobytes << 10, name[0]);
    oci::Descriptor layer;
    layer.media_type = oci::media::layer;
    layer.digest = store.put(bytes);
    layer.size = bytes.size();
    oci::ImageConfig config;
    config.diff_ids = {layer.digest};
    const auto snapshot = dirs.cache / "snapshots" / layer.digest.hex();
    fs::create_directories(snapshot);
    write_file_atomic(snapshot / "file", bytes);
    auto made = store.put_image(config, {layer});
    index.store(Digest::of(name).hex(),
                {{{"descriptor", oci::to_json(made)}}, "r-1", clock += 3'600'000'000, Millis(1)});
    index.commit();
    return made;
  }
  bool has(const oci::Descriptor& image) const {
    if (!store.has(image.digest)) return false;
    const auto manifest = store.manifest(image);
    return store.has(manifest.config.digest) && store.has(manifest.layers[0].digest) &&
           fs::exists(dirs.cache / "snapshots" / manifest.layers[0].digest.hex() / "file");
  }
  Collected collect(std::uint64_t keep) { return collect_cache(dirs, index, {keep, Millis(-60'000), false}); }
  std::size_t blobs() const {
    const fs::directory_iterator all(dirs.cache / "store/blobs/sha256");
    return static_cast<std::size_t>(std::distance(fs::begin(all), fs::end(all)));
  }
};

}  // namespace

TEST_CASE("a collection keeps what was used last, whole, and removes the rest, whole", "[run][cache]") {
  Cache c;
  const auto oldest = c.image("oldest", 400), middle = c.image("middle", 400),
             newest = c.image("newest", 400);
  const auto done = c.collect(2'000'000);  // layer and snapshot of two
  CHECK_FALSE(c.store.has(oldest.digest));
  CHECK(c.has(middle));
  CHECK(c.has(newest));
  CHECK(c.blobs() == 6);
  CHECK(done.outcomes == 1);
  CHECK(done.blobs == 3);
  CHECK(done.snapshots == 1);
  CHECK(done.freed > 800'000);
  CHECK_FALSE(c.index.lookup(Digest::of("oldest").hex()));
  CHECK(c.index.lookup(Digest::of("newest").hex()));
}

TEST_CASE("a live release and a named image stay, whatever their size", "[run][cache]") {
  Cache c;
  const auto live = c.image("live", 100), named = c.image("named", 100), other = c.image("other", 100);
  c.store.tag("shop/web:1", named);
  fs::create_directories(c.dirs.state / "local/shop");
  write_file_atomic(c.dirs.state / "local/shop/release.json",
                    json{{"services", {{"web", live.digest.str()}}}}.dump());
  fs::create_directories(c.dirs.state / "runs/r-1");
  write_file_atomic(c.dirs.state / "runs/r-1/plan.json", json{{"image", other.digest.str()}}.dump());
  c.collect(0);
  CHECK(c.has(live));
  CHECK(c.has(named));
  CHECK_FALSE(c.store.has(other.digest));
}

TEST_CASE("what is younger than the age stays, and builders' notes go by age too", "[run][cache]") {
  Cache c;
  const auto image = c.image("young", 100);
  fs::create_directories(c.dirs.cache / "instructions/ab");
  const auto note = c.dirs.cache / "instructions/ab/cd";
  const auto layer = c.store.put("{} a layer that only a note names");
  write_file_atomic(note, json{{"layer", layer.str()}}.dump());
  collect_cache(c.dirs, c.index, {0, Millis(3'600'000), false});
  CHECK(c.store.has(image.digest));
  CHECK(fs::exists(note));
  collect_cache(c.dirs, c.index, {0, Millis(3'600'000), true});
  CHECK_FALSE(c.store.has(image.digest));
  CHECK_FALSE(c.store.has(layer));
  CHECK_FALSE(fs::exists(note));
  CHECK(c.index.size() == 0);
}

TEST_CASE("the sizes of the cache are told by what they are", "[run][cache]") {
  Cache c;
  c.image("one", 512);
  const auto sizes = measure_cache(c.dirs.cache);
  CHECK(sizes.images > 512 << 10);
  CHECK(sizes.snapshots > 512 << 10);
  CHECK(sizes.git == 0);
  CHECK(measure_cache(c.dir.path() / "nowhere").total() == 0);
}
