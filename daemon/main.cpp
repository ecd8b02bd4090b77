// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiffd: gives diff storages space before they run out of it.

#include "carver.h"
#include "config.h"
#include "daemon.h"
#include "hot_memory.h"
#include "instance.h"
#include "kernel.h"
#include "outlet.h"
#include "util/text.h"
#include "worker.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <getopt.h>
#include <unistd.h>

using namespace snapdiff;
using namespace snapdiff::daemon;

namespace {

enum ExitCode { ExitOk = 0, ExitFailed = 1, ExitUsage = 2 };

struct Options
{
	std::string config = defaultConfigPath;
	bool configGiven = false;
	bool checkConfig = false;
	bool help = false;
	bool version = false;
	std::optional<unsigned> carver; // the process that runs lvm: its time-out in ms
	std::optional<unsigned> worker; // the process that does what was asked for: LVM's
};

constexpr const char *usage =
	"Usage: snapdiffd [--config FILE] [--check-config]\n"
	"Gives snapdiff's diff storages space before they run out of it.\n"
	"\n"
	"  --config FILE    read this instead of /etc/snapdiff/snapdiffd.toml\n"
	"  --check-config   read the configuration, say whether it is good, and end\n"
	"  --version        print the version\n"
	"  --help           print this\n"
	"\n"
	"Signals: SIGHUP reads the configuration again; SIGTERM and SIGINT end it.\n"
	"See snapdiffd(8).\n";

bool parseOptions(int argc, char **argv, Options &options)
{
	enum { Config = 1, CheckConfig, Carver, Worker, Version, Help };
	const option known[] = {
		{"config", required_argument, nullptr, Config},
		{"check-config", no_argument, nullptr, CheckConfig},
		{"carver", required_argument, nullptr, Carver}, // started by the daemon itself
		{"worker", required_argument, nullptr, Worker}, // as well
		{"version", no_argument, nullptr, Version},
		{"help", no_argument, nullptr, Help},
		{nullptr, 0, nullptr, 0},
	};

	for (int found; (found = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
		switch (found) {
		case Config:
			options.config = optarg;
			options.configGiven = true;
			break;
		case CheckConfig:
			options.checkConfig = true;
			break;
		case Carver:
		case Worker: {
			const auto timeout = parseNumber(optarg);
			if (!timeout || *timeout > UINT32_MAX)
				return false;
			(found == Carver ? options.carver : options.worker) =
				static_cast<unsigned>(*timeout);
			break;
		}
		case Version:
			options.version = true;
			break;
		case Help:
			options.help = true;
			break;
		default:
			return false;
		}
	}
	return optind == argc;
}

int complain(const Error &error)
{
	std::fprintf(stderr, "snapdiffd: %s\n", error.message().c_str());
	if (!error.next().empty())
		std::fprintf(stderr, "%s\n", error.next().c_str());
	return ExitFailed;
}

int checkConfig(const Options &options)
{
	const Result<Config> config = readConfig(options.config, true);
	if (!config)
		return complain(config.error());
	std::printf("%s: good\n", options.config.c_str());
	return ExitOk;
}

void blockSignals()
{
	sigset_t signals;
	sigemptyset(&signals);
	for (const int number : {SIGTERM, SIGINT, SIGHUP})
		sigaddset(&signals, number);
	sigprocmask(SIG_BLOCK, &signals, nullptr);
	std::signal(SIGPIPE, SIG_IGN);
}

int runDaemon(const Options &options)
{
	const auto readAgain = [&] { return readConfig(options.config, options.configGiven); };
	const Result<Config> config = readAgain();
	if (!config)
		return complain(config.error());
	const Result<Fd> instance = claimInstance();
	if (!instance)
		return complain(instance.error());
	Result<ControlKernel> kernel = ControlKernel::open();
	if (!kernel)
		return complain(std::move(kernel).error().advise(
			"It needs root and a kernel with device-mapper."));

	// Before the first thread is made, which inherits it.
	blockSignals();
	Outlet outlet(Outlet::runsUnderJournal());
	dm::LibDeviceMapper dm;
	SystemRunner runner; // reading the kernel's state runs nothing; the carver has its own
	lvm::Lvm lvm(runner);
	SystemClock clock;
	ops::Context context = {dm, lvm, runner, clock, {}};
	CarverProcess carver("/proc/self/exe", config->lvmTimeoutMs);
	const std::vector<Error> missing = prepareHotMemory();
	Daemon daemon({*kernel, context, carver, outlet, readAgain}, *config);

	daemon.admit(missing);
	const Result<> done = daemon.run();
	return done ? ExitOk : complain(done.error());
}

} // namespace

int main(int argc, char **argv)
{
	Options options;

	if (!parseOptions(argc, argv, options)) {
		std::fputs(usage, stderr);
		return ExitUsage;
	}
	if (options.help) {
		std::fputs(usage, stdout);
		return ExitOk;
	}
	if (options.version) {
		std::puts("snapdiffd " SNAPDIFF_VERSION);
		return ExitOk;
	}
	if (options.carver)
		return runCarver(STDIN_FILENO, *options.carver);
	if (options.worker)
		return runWorker(STDIN_FILENO, *options.worker);
	if (options.checkConfig)
		return checkConfig(options);
	return runDaemon(options);
}
