# SPDX-License-Identifier: GPL-2.0-or-later
# The language level, warnings and sanitizers of our own code, as a target to link to.

add_library(snapdiff_build_flags INTERFACE)
target_compile_features(snapdiff_build_flags INTERFACE cxx_std_20)
target_compile_options(snapdiff_build_flags INTERFACE
	-Wall -Wextra -Wformat=2 -Wundef -fno-omit-frame-pointer
	$<$<COMPILE_LANGUAGE:CXX>:-Wshadow>
	$<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
	$<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
	$<$<COMPILE_LANGUAGE:CXX>:-Wextra-semi>
	$<$<COMPILE_LANGUAGE:CXX>:-Wcast-align>
	$<$<COMPILE_LANGUAGE:CXX>:-Wnull-dereference>
)
set(CMAKE_CXX_EXTENSIONS OFF)

if(SNAPDIFF_SANITIZE)
	list(JOIN SNAPDIFF_SANITIZE "," sanitizers)
	set(sanitize_options -fsanitize=${sanitizers} -fno-sanitize-recover=all)
	target_compile_options(snapdiff_build_flags INTERFACE ${sanitize_options})
	target_link_options(snapdiff_build_flags INTERFACE ${sanitize_options})
endif()

# gcc 12's thread sanitizer cannot start where the kernel spreads mappings over too many bits.
if("thread" IN_LIST SNAPDIFF_SANITIZE AND EXISTS /proc/sys/vm/mmap_rnd_bits)
	file(STRINGS /proc/sys/vm/mmap_rnd_bits mmap_bits)
	if(mmap_bits GREATER 28)
		set(CMAKE_CROSSCOMPILING_EMULATOR setarch;-R)
	endif()
endif()

find_program(SNAPDIFF_CCACHE ccache)
mark_as_advanced(SNAPDIFF_CCACHE)
if(SNAPDIFF_CCACHE)
	set(CMAKE_C_COMPILER_LAUNCHER ${SNAPDIFF_CCACHE})
	set(CMAKE_CXX_COMPILER_LAUNCHER ${SNAPDIFF_CCACHE})
endif()
