# SPDX-License-Identifier: GPL-2.0-or-later
# The guest as a machine: its initramfs, its disks, its QEMU process.

import ctypes
import lzma
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FETCH_KERNEL = HERE.parents[1] / "scripts" / "fetch-kernel"
# The older machine's table of interrupts is a loop of bytecode that is run for each device: minutes
# in a kernel that checks itself, and on a busy host the kernel gives it up after 30 seconds, which
# leaves a device without an interrupt. This one's is a plain table.
MACHINE = "q35"
# What the first stage needs to reach the host's files; the rest is loaded from there.
BOOT_MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "9p", "9pnet_virtio", "overlay")
# For a root of its own (--root), which is an image.
ROOT_MODULES = ("squashfs",)
ROOT_SERIAL = "lab-root"
# With systemd as the guest's init: no logins, nothing periodic, and everything told.
SYSTEMD_WORDS = (
    "systemd.unit=multi-user.target systemd.show_status=1 systemd.mask=getty.target "
    "systemd.mask=apt-daily.timer systemd.mask=apt-daily-upgrade.timer "
    "systemd.mask=e2scrub_all.timer systemd.mask=e2scrub_reap.service "
    "systemd.mask=fstrim.timer systemd.mask=dpkg-db-backup.timer systemd.firstboot=off "
    "systemd.mask=modprobe@drm.service systemd.mask=modprobe@efi_pstore.service "
    "systemd.mask=modprobe@fuse.service systemd.mask=modprobe@configfs.service "
    "systemd.mask=modprobe@loop.service systemd.mask=systemd-random-seed.service "
    "systemd.mask=systemd-update-utmp.service systemd.mask=dev-hugepages.mount "
    "systemd.mask=dev-mqueue.mount systemd.mask=sys-kernel-tracing.mount "
    "systemd.mask=proc-sys-fs-binfmt_misc.automount "
    # A busy host makes everything slow: that is no reason to give a boot up.
    "systemd.default_timeout_start_sec=600 "
    "systemd.mask=systemd-timesyncd.service systemd.machine_id=5d3ff11bca3c4b6fb7d0d0a6e2a5a1f0"
)


class CannotStart(Exception):
    """The guest cannot be started; the text says why and what to do."""


def kernel_folder(series):
    fetch = subprocess.run([FETCH_KERNEL, series], stdout=subprocess.PIPE, text=True)
    if fetch.returncode != 0:
        raise CannotStart(f"no kernel {series}: see the lines above")
    return pathlib.Path(fetch.stdout.strip())


def boot_module_files(kernel, release, modules):
    """The files of these modules and all they depend on, in the order to insert them."""
    files = []
    for module in modules:
        show = subprocess.run(
            ["/sbin/modprobe", "-d", kernel, "-S", release, "--show-depends", module],
            stdout=subprocess.PIPE,
            text=True,
        )
        if show.returncode != 0:
            raise CannotStart(f"kernel {release} has no module {module}: remove {kernel}")
        for line in show.stdout.splitlines():
            word, _, rest = line.partition(" ")
            if word == "insmod" and rest.split()[0] not in files:
                files.append(rest.split()[0])
    return [pathlib.Path(file) for file in files]


def write_initramfs(options, kernel, scratch):
    """Packs busybox, the boot modules and our first stage; returns the archive."""
    release = (kernel / "release").read_text().strip()
    tree = scratch / "initramfs"
    for folder in ("bin", "modules", "proc", "sys", "dev"):
        (tree / folder).mkdir(parents=True)
    order = []
    modules = BOOT_MODULES + (ROOT_MODULES if options.root else ())
    for file in boot_module_files(kernel, release, modules):
        name = re.sub(r"\.xz$", "", file.name)
        # busybox inserts only what is not compressed.
        data = lzma.open(file).read() if file.suffix == ".xz" else file.read_bytes()
        (tree / "modules" / name).write_bytes(data)
        order.append(name)
    (tree / "modules" / "order").write_text("".join(f"{name}\n" for name in order))
    shutil.copy(shutil.which("busybox") or "/bin/busybox", tree / "bin" / "busybox")
    for applet in ("sh", "mount", "umount", "mkdir", "insmod", "switch_root", "sleep", "chroot", "ln"):
        (tree / "bin" / applet).symlink_to("busybox")
    shutil.copy(HERE / "init", tree / "init")
    (tree / "lab.conf").write_text(
        f"LAB_KERNEL={shlex.quote(str(kernel))}\n"
        f"LAB_SESSION={shlex.quote(str(HERE / 'session'))}\n"
        f"LAB_HERE={shlex.quote(str(HERE))}\n"
        f"LAB_ROOT_SERIAL={ROOT_SERIAL if options.root else ''}\n"
        f"LAB_LAYERS={shlex.quote(' '.join(options.layer))}\n"
        "export PATH=/bin\n"
    )
    archive = scratch / "initramfs.cpio"
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    with archive.open("wb") as output:
        subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"],
            input=names.encode(),
            stdout=output,
            cwd=tree,
            check=True,
        )
    return archive


def disk_arguments(options, scratch):
    """Makes the sparse disk files and returns QEMU's arguments for them."""
    arguments = []
    for number, spec in enumerate(options.disk or [options.disk_size] * options.disks):
        size, _, limits = spec.partition(":")
        file = scratch / f"disk{number}"
        subprocess.run(["truncate", "-s", size, file], check=True)
        drive = f"file={file},if=none,id=d{number},format=raw,cache=unsafe,discard=unmap"
        # What is zeroed stays sparse, so that a disk may be larger than the host's memory.
        drive += ",detect-zeroes=unmap"
        for limit in filter(None, limits.split(",")):
            name, _, value = limit.partition("=")
            if name not in ("iops", "bps"):
                raise CannotStart(f"disk {spec}: unknown limit {name}; use iops= or bps=")
            drive += f",throttling.{name}-total={value}"
        arguments += ["-drive", drive, "-device", f"virtio-blk-pci,drive=d{number},serial=disk{number}"]
    return arguments


def root_arguments(options):
    """The image of a root of its own, as one more disk: after all others, so that their names stay."""
    if not options.root:
        return []
    drive = f"file={options.root},if=none,id=root-image,format=raw,readonly=on"
    device = f"virtio-blk-pci,drive=root-image,serial={ROOT_SERIAL}"
    return ["-drive", drive, "-device", device]


def accelerator():
    """KVM only where it can run a stock kernel; a bare /dev/kvm may stop after the boot loader."""
    flags = re.search(r"\b(vmx|svm)\b", pathlib.Path("/proc/cpuinfo").read_text())
    if flags and os.access("/dev/kvm", os.W_OK):
        return "kvm"
    return "tcg,thread=multi"


def share(name, path, readonly):
    option = f"local,id={name},path={path},security_model=none,multidevs=remap"
    return [
        "-fsdev",
        option + (",readonly=on" if readonly else ""),
        "-device",
        f"virtio-9p-pci,fsdev={name},mount_tag={name}",
    ]


def qemu_arguments(options, kernel, scratch, results):
    words = [
        "console=ttyS0 quiet loglevel=5 panic=-1 oops=panic mitigations=off",
        "random.trust_cpu=on log_buf_len=4M rcupdate.rcu_cpu_stall_timeout=60",
        # A busy host stops the emulated clock for long enough to make it look broken.
        "tsc=nowatchdog hpet=disable no_timer_check",
        # Programs that overwrite whole disks look for this word first.
        "snapdiff.lab",
        "panic_on_warn=1" if options.panic_on_warn else "",
        SYSTEMD_WORDS if options.root else "",
        # Kernels of ours: all reports of a run, and patience with what they make slow.
        "kasan_multi_shot workqueue.watchdog_thresh=90" if (kernel / "config").exists() else "",
    ]
    return [
        shutil.which("qemu-system-x86_64") or "qemu-system-x86_64",
        *("-accel", accelerator(), "-machine", MACHINE),
        *("-cpu", "max", "-smp", "2", "-m", options.memory),
        *("-nographic", "-no-reboot", "-nodefaults"),
        *("-kernel", kernel / "vmlinuz", "-append", " ".join(filter(None, words))),
        *("-initrd", write_initramfs(options, kernel, scratch)),
        *("-serial", f"file:{results / 'console.log'}"),
        *("-device", "virtio-serial-pci", "-chardev", "stdio,id=job,signal=off"),
        *("-device", "virtconsole,chardev=job"),
        *share("root", "/", True),
        *share("results", results, False),
        *disk_arguments(options, scratch),
        *root_arguments(options),
    ]


def die_with_parent():
    """A QEMU whose runner was killed would run on unseen."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def terminal_is_gone():
    """True if nobody can type any more: the other side of our terminal was closed."""
    watch = select.poll()
    watch.register(0, 0)
    return bool(watch.poll(0))


def wait_for_end(process, options):
    """True if the guest did not end by itself: its time is over, or nobody is there."""
    while True:
        try:
            process.wait(1 if options.shell else options.timeout)
            return False
        except subprocess.TimeoutExpired:
            # A shell has all the time in the world, but somebody must sit before it.
            if not options.shell or terminal_is_gone():
                return True


def run(options, results):
    """Runs the guest to its end; True if its time was over before."""
    kernel = kernel_folder(options.kernel)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="snapdiff-guest.", dir=memory) as name:
        arguments = qemu_arguments(options, kernel, pathlib.Path(name), results)
        try:
            process = subprocess.Popen(
                arguments,
                stdin=None if options.shell else subprocess.DEVNULL,
                preexec_fn=die_with_parent,
            )
        except FileNotFoundError as missing:
            raise CannotStart(f"{missing}: run scripts/install-deps") from missing
        try:
            return wait_for_end(process, options)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
