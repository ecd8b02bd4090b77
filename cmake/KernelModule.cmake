# SPDX-License-Identifier: GPL-2.0-or-later
# Targets that build dm-snapdiff.ko outside of its sources, one folder a kernel series:
# module (6.1), module-6.12, module-sparse (6.1, every file checked by sparse as well), and for
# kernels of our own module-debug and module-kcsan.

function(snapdiff_add_module_target name series folder)
	add_custom_target(${name}
		COMMAND ${PROJECT_SOURCE_DIR}/scripts/build-module ${ARGN} ${series}
			${PROJECT_SOURCE_DIR}/dm-target ${PROJECT_BINARY_DIR}/dm-target/${folder}
		COMMENT "Kernel module for ${series} ${ARGN}"
		USES_TERMINAL
		VERBATIM)
endfunction()

snapdiff_add_module_target(module 6.1 6.1)
snapdiff_add_module_target(module-6.12 6.12 6.12)
snapdiff_add_module_target(module-sparse 6.1 6.1-sparse --sparse)
snapdiff_add_module_target(module-debug debug debug)
snapdiff_add_module_target(module-kcsan kcsan kcsan)
