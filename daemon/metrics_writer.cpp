// SPDX-License-Identifier: GPL-2.0-or-later
//
// MetricsWriter: both sides.  "LENGTH", a newline and so many bytes go to the process; "ok"
// or what was wrong comes back, a line for each.

#include "metrics_writer.h"

#include "helper.h"
#include "util/text.h"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::daemon {

MetricsWriter::~MetricsWriter()
{
	drop();
}

void MetricsWriter::setFile(const std::string &file)
{
	if (file == file_)
		return;
	file_ = file;
	drop();
}

void MetricsWriter::put(std::string_view text)
{
	if (!wanted())
		return;
	if (!socket_.valid()) {
		Result<Helper> helper = startHelper(program_, metricsRole, file_);
		if (!helper) {
			fail(helper.error());
			return;
		}
		socket_ = std::move(helper->socket);
		pid_ = helper->pid;
	}
	if (pending_.empty()) {
		pending_ = std::to_string(text.size()) + "\n";
		pending_ += text;
	}
	flush();
}

void MetricsWriter::flush()
{
	const ssize_t sent =
		send(socket_.get(), pending_.data(), pending_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent >= 0)
		pending_.erase(0, static_cast<size_t>(sent));
	else if (errno != EAGAIN && errno != EINTR)
		drop(); // it ended; the next text starts another one
}

MetricsWriter::Outcome MetricsWriter::outcome(std::string &why)
{
	char piece[4096];

	if (socket_.valid() && !pending_.empty())
		flush();
	while (socket_.valid()) {
		const ssize_t got = recv(socket_.get(), piece, sizeof(piece), MSG_DONTWAIT);
		if (got < 0)
			break;
		if (got == 0) {
			fail(Error(EPIPE, "write " + file_, "the process that writes it ended"));
			drop();
			break;
		}
		answer_.append(piece, static_cast<size_t>(got));
	}
	for (size_t end; (end = answer_.find('\n')) != answer_.npos; answer_.erase(0, end + 1)) {
		why_ = answer_.substr(0, end);
		outcome_ = why_ == "ok" ? Outcome::Written : Outcome::Failed;
	}
	std::erase_if(ended_, [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
	why = why_;
	return std::exchange(outcome_, Outcome::Nothing);
}

void MetricsWriter::drop()
{
	socket_.reset();
	pending_.clear();
	answer_.clear();
	if (pid_ > 0)
		ended_.push_back(std::exchange(pid_, -1));
}

void MetricsWriter::fail(const Error &error)
{
	outcome_ = Outcome::Failed;
	why_ = error.message();
}

Result<> replaceFile(const std::string &file, std::string_view text)
{
	// Exporters read "*.prom": not this one.  The folder may be another user's, who could put
	// a link in its place: it is made anew, or not at all.
	const std::string next = file + ".new";
	unlink(next.c_str());
	Result<Fd> fd = Fd::open(next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);

	if (!fd)
		return std::move(fd).error();
	while (!text.empty()) {
		const ssize_t put = write(fd->get(), text.data(), text.size());
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0) {
			const Error error(errno, "write " + next);
			unlink(next.c_str());
			return error;
		}
		text.remove_prefix(static_cast<size_t>(put));
	}
	// The exporter is another user, and our umask is strict.
	if (fchmod(fd->get(), 0644) < 0 || rename(next.c_str(), file.c_str()) < 0) {
		const Error error(errno, "put " + next + " in the place of " + file);
		unlink(next.c_str());
		return error;
	}
	return {};
}

namespace {

// Exactly so many bytes; false when the other side is gone.
bool readAll(int socket, char *to, size_t size)
{
	while (size > 0) {
		const ssize_t got = read(socket, to, size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		size -= static_cast<size_t>(got);
	}
	return true;
}

std::optional<std::string> readText(int socket)
{
	constexpr uint64_t longest = 64U << 20;
	std::string line;

	for (char letter; readAll(socket, &letter, 1) && letter != '\n';)
		line += letter;
	const auto length = parseNumber(line);
	if (!length || *length > longest)
		return {};
	std::string text(*length, '\0');
	if (!readAll(socket, text.data(), text.size()))
		return {};
	return text;
}

} // namespace

int runMetricsWriter(int socket, const std::string &file)
{
	while (const auto text = readText(socket)) {
		const Result<> done = replaceFile(file, *text);
		const std::string answer = done ? "ok\n" : done.error().message() + "\n";
		if (send(socket, answer.data(), answer.size(), MSG_NOSIGNAL) < 0)
			return 1;
	}
	return 0;
}

} // namespace snapdiff::daemon
