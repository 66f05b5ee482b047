"""Builds a small plugin from source, for what no bundled one can show."""
import subprocess

from harness import ROOT

SOURCE = """
#include <weir/plugin.h>
static int32_t open_(const weir_host *host, weir_instance *instance, void **self)
{
    (void)host, (void)instance;
    *self = 0;
    return 0;
}
static void close_(void *self) { (void)self; }
static int32_t record_(void *self, const weir_record *record)
{
    (void)self, (void)record;
    return WEIR_OK;
}
static const weir_plugin plugin = {
    .abi = %s, .abi_min = %s, .struct_size = sizeof plugin, .name = "%s", .version = "1",
    .summary = "for a test", .open = open_, .close = close_, .record = record_};
WEIR_EXPORT const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
"""


def build_plugin(folder, name, abi="WEIR_ABI_CURRENT"):
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT}/include", "-x", "c", "-", "-o", folder / f"{name}.so"],
                   input=(SOURCE % (abi, abi, name)).encode(), check=True)
