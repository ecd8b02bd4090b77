// SPDX-License-Identifier: GPL-2.0-or-later
//
// Story: the main job from beginning to end, act by act, each with its checks.

#pragma once

#include "bus.h"
#include "files.h"
#include "kernel_log.h"
#include "machine.h"
#include "monitor.h"
#include "records.h"
#include "rewrite.h"
#include "service.h"
#include "verdict.h"

#include <memory>
#include <string>

namespace snapdiff::demo {

class Story
{
public:
	explicit Story(std::string results) : results_(std::move(results)) {}

	// All acts: the exit status.
	int tell();

	// Volumes with a few files, the daemon, and away: for ./demo --shell.
	void prepare();

private:
	void makeMachine();
	void startService();
	void use();
	void attachLive();
	void writeBefore();
	void take();
	void mountImages();
	void lookAtRecords();
	void lookAtImages(const std::string &when);
	void lookAtFiles(const std::string (&roots)[2], const KnownFiles (&files)[2],
			 const std::string &prefix, const std::string &suffix);
	void rewriteAll();
	void followRewrite(Rewrite &first, Rewrite &second);
	void judgeRewrite();
	void lookAtLive();
	void takeApart();
	void judgeLeftovers();
	void endService();
	void judgeKernelLog();
	void beginPicture(const std::string &name);
	void judgePicture(const std::string &name);

	std::string results_;
	Verdict verdict_;
	KernelLog log_;
	Volumes volumes_;
	KnownFiles before_[2]; // per volume
	KnownFiles after_[2];
	std::string images_[2]; // where they are mounted
	int64_t takeBegan_ = 0;
	int64_t takeEnded_ = 0;
	uint64_t copiedBefore_ = 0;
	size_t extensionsShown_ = 0;
	std::unique_ptr<Service> service_;
	std::unique_ptr<Picture> picture_;
	std::unique_ptr<RecordWriter> writer_;
	std::unique_ptr<Monitor> monitor_;
};

} // namespace snapdiff::demo
