// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - loads and unloads the three targets.
 */
#include <linux/module.h>

#include "snapdiff.h"

DEFINE_MUTEX(sd_registry);
LIST_HEAD(sd_stores);
LIST_HEAD(sd_ended_stores);
LIST_HEAD(sd_images);
struct workqueue_struct *sd_free_wq;
atomic_t sd_store_count;
DECLARE_WAIT_QUEUE_HEAD(sd_no_store);

static struct target_type *const types[] = { &sd_store_type, &sd_origin_type, &sd_image_type };

static void unregister_first(unsigned int count)
{
	while (count--)
		dm_unregister_target(types[count]);
}

static int __init sd_init(void)
{
	unsigned int i;
	int r;

	sd_free_wq = alloc_workqueue("snapdiff-free", WQ_UNBOUND, 0);
	if (!sd_free_wq)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		r = dm_register_target(types[i]);
		if (r < 0) {
			DMERR("target %s cannot be registered: error %d", types[i]->name, r);
			unregister_first(i);
			destroy_workqueue(sd_free_wq);
			return r;
		}
	}
	return 0;
}

static void __exit sd_exit(void)
{
	unregister_first(ARRAY_SIZE(types));
	/* Works of the last stores may still run after their tables are gone. */
	wait_event(sd_no_store, !atomic_read(&sd_store_count));
	destroy_workqueue(sd_free_wq);
	rcu_barrier(); /* percpu_ref and freed memory may still have callbacks */
}

module_init(sd_init);
module_exit(sd_exit);

MODULE_DESCRIPTION("snapshots of block devices into a diff storage that grows while it runs");
MODULE_AUTHOR("The snapdiff authors");
MODULE_LICENSE("GPL");
/* Device-mapper asks for these when a table names a target; "dm-snapdiff" is our own name. */
MODULE_ALIAS("dm-" SNAPDIFF_TARGET_STORE);
MODULE_ALIAS("dm-" SNAPDIFF_TARGET_ORIGIN);
MODULE_VERSION(__stringify(SNAPDIFF_VERSION_MAJOR) "." __stringify(
	SNAPDIFF_VERSION_MINOR) "." __stringify(SNAPDIFF_VERSION_PATCH));
