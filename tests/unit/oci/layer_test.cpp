// Layers: what is written is read back, by us and by tar; and hostile ones go nowhere.
#include "oci/layer.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "oci/compressor.h"
#include "support/slipway.h"
#include "sys/files.h"
#include "sys/process.h"

using namespace slipway;
using namespace slipway::oci;

namespace {

struct Place {
  TempDir dir{fs::temp_directory_path()};
  Store store{dir.path() / "store"};
  fs::path root = dir.path() / "root";
  Place() { make_dirs(root); }
  void unpack(const Layer& layer, UnpackOptions options = {}) {
    unpack_layer(store, layer.descriptor, root, options);
  }
};

std::string output_of(std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  return run_capture(command);
}

Entry entry(Entry::Type type, std::string path, std::string link = {}) {
  Entry out;
  out.type = type;
  out.path = std::move(path);
  out.link = std::move(link);
  out.mode = type == Entry::Type::dir ? 0755 : 0640;
  out.uid = 7;
  out.gid = 8;
  out.mtime = 1'000'000'000;
  return out;
}

std::string noise(std::size_t size) {
  std::string out(size, '\0');
  std::uint64_t state = 42;
  for (auto& c : out) c = static_cast<char>((state = state * 6364136223846793005ull + 1) >> 60);
  return out;
}

}  // namespace

TEST_CASE("a layer is written and read back whole", "[layer]") {
  const auto how = GENERATE(Compression::gzip, Compression::zstd, Compression::none);
  Place place;
  LayerWriter writer(place.store, how);
  CHECK(writer.empty());
  const std::string deep = "dir/" + std::string(90, 'a') + "/" + std::string(200, 'b');
  const std::string large = noise(3'500'000);
  auto with_capability = entry(Entry::Type::file, "dir/cap");
  with_capability.xattrs["user.note"] = std::string("a\0b\n", 4);
  writer.add(entry(Entry::Type::dir, "dir"));
  writer.add_file(entry(Entry::Type::file, "dir/file"), std::string_view("hello"));
  writer.add_file(entry(Entry::Type::file, "dir/large"), std::string_view(large));
  writer.add_file(with_capability, std::string_view("x"));
  writer.add(entry(Entry::Type::hardlink, "dir/same", "dir/file"));
  writer.add(entry(Entry::Type::symlink, "dir/link", "../" + std::string(150, 'c')));
  writer.add(entry(Entry::Type::fifo, "dir/pipe"));
  writer.add_file(entry(Entry::Type::file, deep), std::string_view("deep"));
  writer.add_file(entry(Entry::Type::file, "dir/größe"), std::string_view("ü"));
  const auto layer = writer.finish();
  place.unpack(layer);

  const auto& root = place.root;
  CHECK(read_file(root / "dir/file") == "hello");
  CHECK(read_file(root / "dir/large") == large);
  CHECK(read_file(root / deep) == "deep");
  CHECK(read_file(root / "dir/größe") == "ü");
  CHECK(fs::read_symlink(root / "dir/link") == "../" + std::string(150, 'c'));
  CHECK(fs::is_fifo(root / "dir/pipe"));
  CHECK(fs::hard_link_count(root / "dir/file") == 2);
  struct stat info {};
  REQUIRE(::lstat((root / "dir").c_str(), &info) == 0);
  CHECK(info.st_mtime == 1'000'000'000);
  CHECK(info.st_uid == 7);
  CHECK((info.st_mode & 07777) == 0755);
  char note[8];
  CHECK(::getxattr((root / "dir/cap").c_str(), "user.note", note, sizeof note) == 4);

  // tar agrees.
  if (how != Compression::zstd) {
    const auto names = output_of({"tar", "-tf", place.store.blob_path(layer.descriptor.digest).string()});
    CHECK(names.find("dir/" + std::string(90, 'a')) != std::string::npos);
  }
  if (how == Compression::none) CHECK(layer.diff_id == layer.descriptor.digest);
}

TEST_CASE("gzip of many blocks is one member that gzip itself reads", "[layer]") {
  TempDir dir(fs::temp_directory_path());
  const auto text = noise(5'000'001);
  std::string packed, again;
  for (auto* out : {&packed, &again}) {
    Compressor compressor(Compression::gzip, [&](std::string_view bytes) { *out += bytes; });
    for (std::size_t at = 0; at < text.size(); at += 77'777)
      compressor.write(std::string_view(text).substr(at, 77'777));
    compressor.finish();
  }
  CHECK(packed == again);
  write_file_atomic(dir.path() / "a.gz", packed);
  CHECK(output_of({"gzip", "-dc", (dir.path() / "a.gz").string()}) == text);
}

TEST_CASE("whiteouts become overlay's, or take away what is there", "[layer]") {
  Place place;
  LayerWriter writer(place.store);
  writer.whiteout("gone");
  writer.add(entry(Entry::Type::dir, "all"));
  writer.opaque("all");
  const auto layer = writer.finish();
  SECTION("overlay") {
    place.unpack(layer);
    struct stat info {};
    REQUIRE(::lstat((place.root / "gone").c_str(), &info) == 0);
    CHECK(S_ISCHR(info.st_mode));
    CHECK(info.st_rdev == 0);
    char value[2];
    CHECK(::getxattr((place.root / "all").c_str(), "trusted.overlay.opaque", value, sizeof value) == 1);
  }
  SECTION("plain") {
    make_dirs(place.root / "all");
    write_file_atomic(place.root / "gone", "x");
    write_file_atomic(place.root / "all/inner", "x");
    UnpackOptions options;
    options.overlay_whiteouts = false;
    place.unpack(layer, options);
    CHECK_FALSE(fs::exists(place.root / "gone"));
    CHECK(fs::is_empty(place.root / "all"));
  }
}

TEST_CASE("a hostile layer writes nothing outside of its root", "[layer]") {
  Place place;
  const auto outside = place.dir.path() / "outside";
  make_dirs(outside);
  // tar makes what our writer refuses to.
  const auto hostile = [&](const std::string& commands) {
    const auto work = place.dir.path() / "work";
    make_dirs(work);
    output_of({"sh", "-ec", "cd '" + work.string() + "'; " + commands});
    const auto bytes = read_file(work / "out.tar");
    Layer layer;
    layer.descriptor = {std::string(media::layer), place.store.put(bytes), bytes.size(), {}, {}};
    return layer;
  };
  SECTION("upwards") {
    const auto layer = hostile("echo x >f; tar -P --transform 's,^f$,../outside/f,' -cf out.tar f");
    CHECK_THROWS_WITH(place.unpack(layer), "the layer holds `../outside/f`: a path that leads upwards");
  }
  SECTION("through a link") {
    const auto layer = hostile("ln -s '" + outside.string() +
                               "' d; echo x >f; tar -cf out.tar d; "
                               "tar --transform 's,^f$,d/f,' -rf out.tar f");
    CHECK_THROWS_WITH(place.unpack(layer), "the layer holds `d/f`: `d` on the way is no folder");
  }
  SECTION("a hard link to the outside") {
    const auto layer =
        hostile("echo x >f; ln f g; tar -P --transform 's,^f$,../outside/f,h' -cf out.tar f g");
    CHECK_THROWS_AS(place.unpack(layer), Error);
  }
  SECTION("absolute paths stay inside") {
    write_file_atomic(outside / "f", "old");
    place.unpack(
        hostile("echo new >f; tar -P --transform 's,^f$," + (outside / "f").string() + ",' -cf out.tar f"));
    CHECK(read_file(outside / "f") == "old");
    CHECK(read_file(place.root / outside.relative_path() / "f") == "new\n");
  }
  SECTION("too many bytes") {
    UnpackOptions options;
    options.max_bytes = 1000;
    CHECK_THROWS_WITH(place.unpack(hostile("head -c 5000 /dev/zero >f; tar -cf out.tar f"), options),
                      "the layer unpacks to more than 1000 bytes");
  }
  SECTION("a torn end") {
    const auto layer =
        hostile("head -c 500000 /dev/urandom >f; tar -cf t.tar f; head -c 100000 t.tar >out.tar");
    CHECK_THROWS_WITH(place.unpack(layer), Catch::Contains("the layer is damaged"));
  }
  CHECK_FALSE(fs::exists(outside / "f/.."));
  if (fs::exists(outside / "f")) CHECK(read_file(outside / "f") == "old");
}

TEST_CASE("a file that changes while it is read is told, not stored", "[layer]") {
  Place place;
  write_file_atomic(place.dir.path() / "f", "12345");
  auto wrong = entry(Entry::Type::file, "f");
  wrong.size = 3;
  LayerWriter writer(place.store);
  CHECK_THROWS_WITH(writer.add_file(wrong, place.dir.path() / "f"),
                    Catch::Contains("changed while it was read"));
}
