// SPDX-License-Identifier: GPL-2.0-or-later
// The steps of COW jobs in any order among each other, and with all that may come in between.
#include "protocol_steps.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input in(bytes, size);
	ProtocolSteps protocol;

	while (in.more())
		protocol.step(in);
	protocol.finish();
	return 0;
}
