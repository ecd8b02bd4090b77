# SPDX-License-Identifier: GPL-2.0-or-later
# The parts of ./check: what each needs to be built and which tests it runs; and what a stopped
# ./check --full has done already. Sourced by check.
# shellcheck shell=bash disable=SC2034

safety_tests=$project/tests/safety-tests
# Builds, each with the tests that have its name as their label.
builds=(style unit gui asan tsan fuzz guest debug kcsan)
# How ./check --full goes on, each part under two hours. What an S has is left out of "guest".
# "guest-6.12", debug and kcsan have the counts of a short run: other kernels, not more of the same.
full_parts=(style unit gui asan tsan S11 S12 S1 S2 S3 S4 S5 S6 S9 S10 guest guest-6.12 S7 S8 debug
	kcsan)
short_counts=(guest-6.12 debug kcsan)

contains()
{
	local wanted=$1
	shift
	[[ " $* " == *" $wanted "* ]]
}

safety_names()
{
	awk '!/^#/ && NF { print $1 }' "$safety_tests"
}

# safety_field NAME COLUMN
safety_field()
{
	awk -v name="$1" -v column="$2" '$1 == name { print $column }' "$safety_tests"
}

is_safety()
{
	[ -n "$(safety_field "$1" 1)" ]
}

is_part()
{
	contains "$1" "${builds[@]}" "${full_parts[@]}" || is_safety "$1"
}

# The builds that a part needs.
builds_of()
{
	case $1 in
	guest-6.12) echo guest ;;
	*) is_safety "$1" && safety_field "$1" 2 | tr , ' ' || echo "$1" ;;
	esac
}

# True while ./check --full goes through all parts: none repeats what is an S's.
goes_through_all()
{
	[ "$SNAPDIFF_FULL" = 1 ] && [ -z "$only" ]
}

# Column 4 or 5 of all safety tests that need this build, joined.
safety_join()
{
	awk -v build="$1" -v column="$2" -v between="$3" \
		'!/^#/ && NF && index("," $2 ",", "," build ",") && $column != "-" {
			all = all between $column
		}
		END { print substr(all, 2) }' "$safety_tests"
}

# verdicts_of PART: regular expressions, a "|" before each, for the entries that judge the guest runs
# of a safety test as a whole: of each kind of guest that has one of its programs.
verdicts_of()
{
	local build kind programs
	programs=$(safety_field "$1" 3)
	[ "$programs" != - ] || return 0
	for kind in plain udev; do
		grep -qE "/(${programs//,/|})\$" "$project"/build/dev/guest-programs-*-$kind || continue
		for build in $(builds_of "$1"); do
			printf '|^%s\.%s_run_ends_well' "$build" "$kind"
		done
	done
}

# ctest's words that choose the tests of a part, into $select.
select_tests()
{
	local part=$1
	if is_safety "$part"; then
		select=(-R "$(safety_field "$part" 5)$(verdicts_of "$part")")
	elif [ "$part" = guest-6.12 ]; then
		select=(-R '^guest-6\.12\.')
	elif contains "$part" "${builds[@]}"; then
		select=(-L "^$part\$")
		! goes_through_all ||
			select+=(-E "^guest-6\\.12\\.$(safety_join "$part" 5 '|' | sed 's/^./|&/')")
	else
		select=(-R "$part")
	fi
}

# run_part PART: its tests; the report is build/check/PART.xml (a pattern's is check.xml).
run_part()
{
	local part=$1 name=check full=$SNAPDIFF_FULL cases=
	local -a select=() environment=()
	if [ -n "$part" ]; then
		select_tests "$part"
		! is_part "$part" || name=$part
	fi
	if is_safety "$part" && [ "$(safety_field "$part" 3)" != - ]; then
		environment+=("SNAPDIFF_GUEST_PROGRAMS=$(safety_field "$part" 3)")
		cases=$(safety_field "$part" 4)
	elif goes_through_all && contains "$part" guest debug kcsan; then
		cases=-$(safety_join "$part" 4 :)
	fi
	[ -z "$cases" ] || environment+=("GTEST_FILTER=$cases")
	! contains "$part" "${short_counts[@]}" || full=0
	env "SNAPDIFF_FULL=$full" "${environment[@]}" \
		ctest --test-dir build/check --no-tests=error --output-on-failure -j 3 \
		--output-junit "$results/$name.xml" "${select[@]}" | tee "$results/$name.log"
}

# ---- a stopped ./check --full goes on where it was

# What the results are results of: the commit and every change since.
tree_hash()
{
	{
		git -c safe.directory='*' rev-parse HEAD
		git -c safe.directory='*' diff HEAD
		git -c safe.directory='*' ls-files --others --exclude-standard -z |
			xargs -0 -r sha256sum
	} 2>/dev/null | sha256sum | cut -d' ' -f1
}

# Keeps the results of parts that passed on this very tree, or begins anew.
prepare_results()
{
	local hash
	hash=$(tree_hash)
	if [ "$resume" = yes ] && [ "$(cat "$results/tree" 2>/dev/null)" = "$hash" ]; then
		echo "check: goes on; done already:" \
			"$(cd "$results" && ls -- *.passed 2>/dev/null | sed 's/\.passed$//' | tr '\n' ' ')"
		return
	fi
	[ "$resume" = no ] || echo "check: nothing to go on with, or the tree has changed: anew"
	rm -rf "$results"
	mkdir -p "$results"
	echo "$hash" >"$results/tree"
}

# run_full_part PART: unless it has passed; a part that failed is run again.
run_full_part()
{
	local part=$1
	[ ! -e "$results/$part.passed" ] || return 0
	rm -f "$results/$part.xml"
	run_part "$part"
	if scripts/test-summary --counts "$results/$part.xml"; then
		touch "$results/$part.passed"
	fi
}

list_parts()
{
	echo "parts: ${builds[*]} guest-6.12"
	echo "safety tests (tests/safety-tests):"
	sed -nE 's/^# (S[0-9]+ )/  \1/p' "$safety_tests"
}
