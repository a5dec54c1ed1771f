#include "support/busybox_root.h"

#include "sys/files.h"
#include "sys/process.h"

namespace slipway::test {

void make_busybox_root(const fs::path& dir) {
  for (const char* name : {"bin", "etc", "tmp"}) make_dirs(dir / name);
  fs::permissions(dir / "tmp", fs::perms(01777));
  fs::copy_file(require_program("busybox"), dir / "bin" / "busybox");
  for (const char* applet :
       {"sh",    "cat",   "echo", "env",   "id",        "ls",   "mkdir", "mount", "mv",    "rm",  "sleep",
        "stat",  "touch", "true", "false", "wc",        "head", "dd",    "chmod", "chown", "ln",  "hostname",
        "mknod", "ip",    "kill", "ps",    "sha256sum", "cp",   "nc",    "grep",  "date",  "test"})
    fs::create_symlink("busybox", dir / "bin" / applet);
  write_file_atomic(dir / "etc" / "passwd",
                    "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n");
  write_file_atomic(dir / "etc" / "group", "root:x:0:\napp:x:1000:\ncrew:x:2000:app\n");
}

}  // namespace slipway::test
