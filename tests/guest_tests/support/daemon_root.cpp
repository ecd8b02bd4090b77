// SPDX-License-Identifier: GPL-2.0-or-later
// A file system with all that the daemon needs.
#include "support/daemon_root.h"

#include "support/command.h"
#include "support/daemon_process.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <unistd.h>

namespace snapdiff::lab {

namespace {

constexpr const char *kernelFolders[] = {"dev", "proc", "sys", "run"};

void add(const std::string &file)
{
	runCommand("cp -L --parents " + file + " " + DaemonRoot::writable);
}

void addProgram(const std::string &program)
{
	add(program);
	std::istringstream words(runCommand("ldd " + program));
	for (std::string word; words >> word;)
		if (word.starts_with("/lib"))
			add("/usr" + word);
}

void showKernelFolder(const std::string &folder)
{
	runCommand("mount --rbind /" + folder + " " + DaemonRoot::shown + "/" + folder);
}

void hideKernelFolder(const std::string &folder)
{
	runCommand("umount -l " + DaemonRoot::shown + "/" + folder);
}

bool isRootOfSomebody()
{
	for (const auto &entry : std::filesystem::directory_iterator("/proc")) {
		std::error_code gone;
		if (std::filesystem::read_symlink(entry.path() / "root", gone) == DaemonRoot::shown)
			return true;
	}
	return false;
}

} // namespace

DaemonRoot::DaemonRoot(const std::string &device, Shown how)
{
	runCommand("mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 " + device);
	runCommand("mkdir -p " + writable + " " + shown);
	runCommand("mount " + device + " " + writable);
	for (const char *folder : {"usr/lib", "usr/lib64", "etc", "tmp"})
		runCommand("mkdir -p " + writable + "/" + folder);
	for (const char *folder : kernelFolders)
		runCommand("mkdir -p " + writable + "/" + folder);
	runCommand("ln -s usr/lib usr/lib64 usr/sbin usr/bin " + writable);
	addProgram(DaemonProcess::builtProgram());
	addProgram("/usr/sbin/lvm");
	runCommand("cp -a /etc/lvm " + writable + "/etc/");
	runCommand("mount --bind " + writable + " " + shown);
	if (how == Shown::ReadOnly)
		runCommand("mount -o remount,bind,ro " + shown);
	for (const char *folder : kernelFolders)
		showKernelFolder(folder);
	sync();
}

DaemonRoot::~DaemonRoot()
{
	// The daemon may have left lvm at work, which ends by itself; without /dev it would leave a
	// volume's device behind.
	for (int i = 0; i < 600 && isRootOfSomebody(); i++)
		usleep(100'000);
	for (const char *folder : kernelFolders)
		hideKernelFolder(folder);
	runCommand("umount " + shown);
	runCommand("umount " + writable);
}

void DaemonRoot::forget()
{
	std::ofstream("/proc/sys/vm/drop_caches") << "3\n" << std::flush;
}

} // namespace snapdiff::lab
