// SPDX-License-Identifier: GPL-2.0-or-later
#include "command.h"

#include "console.h"
#include "trouble.h"
#include "util/run.h"

#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::demo {

namespace {

// Where the product was "installed", before where everything else is.
constexpr const char *searchPath =
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string installed(const std::string &program)
{
	for (const char *folder : {"/usr/local/sbin/", "/usr/local/bin/"})
		if (access((folder + program).c_str(), X_OK) == 0)
			return folder + program;
	return program;
}

Finished finish(const Words &words)
{
	SystemRunner runner;
	Command command;

	command.argv = words;
	command.argv[0] = installed(words[0]);
	command.timeoutMs = 120000;
	// Our own descriptors are none of LVM's business.
	command.environment = {"LVM_SUPPRESS_FD_WARNINGS=1"};
	Result<Finished> finished = runner.run(command);
	if (!finished)
		throw Trouble(finished.error().message());
	return *finished;
}

std::string lineOf(const Words &words)
{
	Command command;
	command.argv = words;
	return commandLine(command);
}

void demandSuccess(const Words &words, const Finished &finished)
{
	if (!finished.ok())
		throw Trouble(lineOf(words) + " ended with status " +
			      std::to_string(finished.code) + ": " + finished.err + finished.out);
}

std::vector<char *> pointersTo(const Words &words)
{
	std::vector<char *> pointers;
	for (const std::string &word : words)
		pointers.push_back(const_cast<char *>(word.c_str()));
	pointers.push_back(nullptr);
	return pointers;
}

int asShell(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

} // namespace

std::string run(const Words &words)
{
	const Finished finished = finish(words);
	demandSuccess(words, finished);
	return finished.out;
}

std::string show(const Words &words)
{
	say("$ " + lineOf(words));
	const Finished finished = finish(words);
	quote(finished.out + finished.err);
	demandSuccess(words, finished);
	return finished.out;
}

Background::Background(const Words &words, const std::string &output, const Words &environment)
{
	Words argv = words;
	argv[0] = installed(words[0]);
	Words variables = environment;
	variables.emplace_back(searchPath);
	variables.emplace_back("LC_ALL=C.UTF-8");

	posix_spawn_file_actions_t files;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output.c_str(),
					 O_WRONLY | O_CREAT | O_APPEND, 0644);
	posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
	// A group of its own: what a terminal sends to us is not for it.
	posix_spawnattr_t attributes;
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	errno = posix_spawnp(&pid_, argv[0].c_str(), &files, &attributes, pointersTo(argv).data(),
			     pointersTo(variables).data());
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	if (errno != 0) {
		pid_ = -1;
		throw systemTrouble("start " + lineOf(words));
	}
}

Background::~Background()
{
	end();
}

void Background::collect(int options)
{
	int status = 0;
	if (pid_ > 0 && waitpid(pid_, &status, options) == pid_) {
		pid_ = -1;
		status_ = asShell(status);
	}
}

bool Background::ended()
{
	collect(WNOHANG);
	return pid_ < 0;
}

int Background::wait()
{
	collect(0);
	return status_;
}

int Background::end()
{
	if (pid_ > 0)
		kill(pid_, SIGTERM);
	return wait();
}

} // namespace snapdiff::demo
