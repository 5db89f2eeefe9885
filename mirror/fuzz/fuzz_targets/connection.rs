#![no_main]

use std::sync::LazyLock;

use midmirror_mirror::fuzzing::Mirror;

static MIRROR: LazyLock<Mirror> = LazyLock::new(Mirror::new);

libfuzzer_sys::fuzz_target!(|data: &[u8]| MIRROR.connection(data));
