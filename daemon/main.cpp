// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiffd: gives diff storages space before they run out of it.

#include "boot_attach.h"
#include "carver.h"
#include "config.h"
#include "daemon.h"
#include "helper.h"
#include "hot_memory.h"
#include "instance.h"
#include "kernel.h"
#include "lvm/unread.h"
#include "message_ids.h"
#include "metrics_writer.h"
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
	bool attachOrigins = false;
	bool helper = false;		    // started by systemd for the daemon
	std::optional<std::string> metrics; // the process that writes this file
	bool help = false;
	bool version = false;
	std::optional<unsigned> carver; // the process that runs lvm: its time-out in ms
	std::optional<unsigned> worker; // the process that does what was asked for: LVM's
};

constexpr const char *usage =
	"Usage: snapdiffd [--config FILE] [--check-config | --attach-origins]\n"
	"Gives snapdiff's diff storages space before they run out of it.\n"
	"\n"
	"  --config FILE    read this instead of /etc/snapdiff/snapdiffd.toml\n"
	"  --check-config   read the configuration, say whether it is good, and end\n"
	"  --attach-origins attach the origins of the configuration, as at boot, and end\n"
	"  --version        print the version\n"
	"  --help           print this\n"
	"\n"
	"Signals: SIGHUP reads the configuration again; SIGTERM and SIGINT end it.\n"
	"See snapdiffd(8).\n";

bool parseOptions(int argc, char **argv, Options &options)
{
	enum {
		Config = 1,
		CheckConfig,
		AttachOrigins,
		Carver,
		Worker,
		Metrics,
		HelperOf,
		Version,
		Help
	};
	const option known[] = {
		{"config", required_argument, nullptr, Config},
		{"check-config", no_argument, nullptr, CheckConfig},
		{"attach-origins", no_argument, nullptr, AttachOrigins},
		// What the daemon starts itself, or systemd for it.
		{"carver", required_argument, nullptr, Carver},
		{"worker", required_argument, nullptr, Worker},
		{"metrics", required_argument, nullptr, Metrics},
		{"helper", no_argument, nullptr, HelperOf},
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
		case AttachOrigins:
			options.attachOrigins = true;
			break;
		case Metrics:
			options.metrics = optarg;
			break;
		case HelperOf:
			options.helper = true;
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
	std::vector<std::string> files;
	const Result<Config> config = readConfig(options.config, options.configGiven, &files);
	if (!config)
		return complain(config.error());
	for (const std::string &file : files)
		std::printf("%s: good\n", file.c_str());
	if (files.empty())
		std::printf("%s: there is none; everything has its default\n",
			    options.config.c_str());
	return ExitOk;
}

// One line for an origin, in the journal with its explanation.
void tellOrigin(Outlet &outlet, const BootOrigin &attached)
{
	const OriginConfig &origin = attached.origin;
	std::vector<Field> fields = {{"SNAPDIFF_STORE", origin.store},
				     {"SNAPDIFF_ORIGIN", origin.device}};

	if (!attached.trouble) {
		fields.push_back({"MESSAGE_ID", std::string(messageId("origin-boot"))});
		outlet.log(Priority::Info, origin.device + " is attached to store " + origin.store,
			   fields);
		return;
	}
	fields.push_back({"MESSAGE_ID", std::string(messageId("origin-boot-failed"))});
	outlet.log(Priority::Error,
		   origin.device + " is not attached: " + attached.trouble->message(), fields);
	if (!attached.trouble->next().empty())
		outlet.log(Priority::Notice, attached.trouble->next(), fields);
}

int attachOrigins(const Options &options)
{
	const Result<Config> config = readConfig(options.config, options.configGiven);
	if (!config)
		return complain(config.error());
	Outlet outlet(Outlet::runsUnderJournal());
	dm::LibDeviceMapper dm;
	SystemRunner runner;
	lvm::Lvm lvm(runner, config->lvmTimeoutMs, lvm::unreadOrigins(dm));
	SystemClock clock;
	ops::Context context = {dm, lvm, runner, clock, {}};
	const bool all = attachAtBoot(context, *config, [&](const BootOrigin &attached) {
		tellOrigin(outlet, attached);
	});
	return all ? ExitOk : ExitFailed;
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
	if (options.metrics)
		return runMetricsWriter(STDIN_FILENO, *options.metrics);
	if (options.helper)
		return runHelper(STDIN_FILENO);
	if (options.checkConfig)
		return checkConfig(options);
	if (options.attachOrigins)
		return attachOrigins(options);
	return runDaemon(options);
}
