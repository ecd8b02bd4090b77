// SPDX-License-Identifier: GPL-2.0-or-later
#include "files.h"

#include "fingerprint.h"
#include "trouble.h"
#include "util/units.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapdiff::demo {

namespace {

constexpr size_t pieceBytes = 1U << 20;

struct FreeMemory
{
	void operator()(void *memory) const { std::free(memory); }
};

// Aligned as O_DIRECT wants it.
using Piece = std::unique_ptr<unsigned char, FreeMemory>;

Piece newPiece()
{
	return Piece(static_cast<unsigned char *>(std::aligned_alloc(4096, pieceBytes)));
}

class OpenFile
{
public:
	OpenFile(const std::string &path, int flags) : number_(open(path.c_str(), flags, 0644))
	{
		if (number_ < 0)
			throw systemTrouble("open " + path);
	}
	OpenFile(const OpenFile &) = delete;
	OpenFile &operator=(const OpenFile &) = delete;
	~OpenFile() { close(number_); }

	int number() const { return number_; }

private:
	int number_;
};

uint64_t nextRandom(uint64_t &state)
{
	state += 0x9e3779b97f4a7c15;
	uint64_t value = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
	value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
	return value ^ (value >> 31);
}

// Of every sector the first word is its own; the rest is the same everywhere, made
// once: making it anew would take longer than writing it.
void fill(unsigned char *memory, size_t size, uint64_t &state)
{
	static const std::vector<uint64_t> pattern = [] {
		std::vector<uint64_t> words(pieceBytes / sizeof(uint64_t));
		uint64_t seed = 0;
		for (uint64_t &word : words)
			word = nextRandom(seed);
		return words;
	}();

	std::memcpy(memory, pattern.data(), size);
	for (size_t at = 0; at + sizeof(uint64_t) <= size; at += sectorSize) {
		const uint64_t own = nextRandom(state);
		std::memcpy(memory + at, &own, sizeof(own));
	}
}

void writeAll(int file, const unsigned char *at, size_t size, const std::string &name)
{
	while (size > 0) {
		const ssize_t done = write(file, at, size);
		if (done < 0)
			throw systemTrouble("write " + name);
		at += done;
		size -= static_cast<size_t>(done);
	}
}

// 256 KiB to 4 MiB, and hardly ever a multiple of anything.
uint64_t someSize(uint64_t &state)
{
	return (256U << 10) + nextRandom(state) % ((4U << 20) - (256U << 10));
}

// Reads the file through; its hash, and its true size.
KnownFile readFile(const std::string &root, const std::string &name)
{
	const OpenFile file(root + "/" + name, O_RDONLY | O_DIRECT | O_CLOEXEC);
	const Piece piece = newPiece();
	Fingerprint fingerprint;
	KnownFile seen{name, 0, 0};

	for (;;) {
		const ssize_t done = read(file.number(), piece.get(), pieceBytes);
		if (done < 0)
			throw systemTrouble("read " + root + "/" + name);
		fingerprint.add(piece.get(), static_cast<size_t>(done));
		seen.bytes += static_cast<uint64_t>(done);
		if (static_cast<size_t>(done) < pieceBytes)
			break;
	}
	seen.hash = fingerprint.value();
	return seen;
}

std::string difference(const std::string &root, const KnownFile &file)
{
	try {
		const KnownFile seen = readFile(root, file.name);
		if (seen.bytes != file.bytes)
			return file.name + " has " + std::to_string(seen.bytes) + " bytes, not " +
			       std::to_string(file.bytes);
		if (seen.hash != file.hash)
			return file.name + " has another content";
		return {};
	} catch (const Trouble &trouble) {
		return trouble.what();
	}
}

} // namespace

uint64_t bytesIn(const KnownFiles &files)
{
	uint64_t bytes = 0;
	for (const KnownFile &file : files)
		bytes += file.bytes;
	return bytes;
}

KnownFile writeFile(const std::string &root, const std::string &name, uint64_t bytes, uint64_t seed)
{
	const std::string path = root + "/" + name;
	// Not truncated first: the old blocks are to be written over.
	const OpenFile file(path, O_WRONLY | O_CREAT | O_CLOEXEC);
	const Piece piece = newPiece();
	Fingerprint fingerprint;

	for (uint64_t at = 0; at < bytes; at += pieceBytes) {
		const size_t size = std::min<uint64_t>(pieceBytes, bytes - at);
		fill(piece.get(), size, seed);
		fingerprint.add(piece.get(), size);
		writeAll(file.number(), piece.get(), size, path);
	}
	if (ftruncate(file.number(), static_cast<off_t>(bytes)) != 0 || fsync(file.number()) != 0)
		throw systemTrouble("write " + path);
	return {name, bytes, fingerprint.value()};
}

KnownFiles writeFiles(const std::string &root, const std::string &folder, uint64_t bytes,
		      uint64_t seed)
{
	KnownFiles files;

	mkdir((root + "/" + folder).c_str(), 0755);
	for (uint64_t written = 0; written < bytes;) {
		const uint64_t size = std::min(someSize(seed), bytes - written);
		const std::string name = folder + "/" + std::to_string(files.size() + 1);
		files.push_back(writeFile(root, name, size, nextRandom(seed)));
		written += size;
	}
	return files;
}

FileFindings compareFiles(const std::string &root, const KnownFiles &files)
{
	FileFindings found;

	for (const KnownFile &file : files) {
		const std::string wrong = difference(root, file);
		found.files++;
		found.bytes += file.bytes;
		found.matching += wrong.empty();
		if (found.firstWrong.empty())
			found.firstWrong = wrong;
	}
	return found;
}

} // namespace snapdiff::demo
