// SPDX-License-Identifier: GPL-2.0-only
/*
 * range.c - devices of ranges and who reads them, and the message "extend".
 *
 * A range is held open in every table of its store, live or loaded: a table
 * that was loaded before an extend and resumed after it must not lose the
 * range (protocol 7).
 */
#include "snapdiff.h"

/* A device held by one table. */
struct held_dev {
	struct list_head link;
	struct sd_store_target *st;
	struct dm_dev *dev;
};

void sd_disk_place(struct block_device *bdev, u64 start, u64 *disk_dev, u64 *disk_start)
{
	*disk_dev = disk_devt(bdev->bd_disk);
	*disk_start = start + bdev->bd_start_sect;
}

static bool has_origin_on(const struct sd_store *s, dev_t devt)
{
	const struct sd_origin *o;

	list_for_each_entry(o, &s->origins, link)
		if (o->devt == devt)
			return true;
	return false;
}

bool sd_is_ours(dev_t devt)
{
	struct sd_image_link *image;
	struct sd_store *s;

	list_for_each_entry(s, &sd_stores, link)
		if (s->devt == devt || has_origin_on(s, devt))
			return true;
	list_for_each_entry(s, &sd_ended_stores, link)
		if (has_origin_on(s, devt))
			return true;
	list_for_each_entry(image, &sd_images, link)
		if (image->devt == devt)
			return true;
	return false;
}

bool sd_is_range_device(dev_t devt)
{
	struct sd_store *s;
	u32 i;

	list_for_each_entry(s, &sd_stores, link)
		for (i = 0; i < s->space.count; i++)
			if (s->devs[i] && s->devs[i]->disk_dev == devt)
				return true;
	return false;
}

bool sd_conflict_ranges(u64 disk_dev, u64 disk_start, u64 len)
{
	struct sd_range_dev *d;
	struct sd_store *s;
	u32 i;

	list_for_each_entry(s, &sd_stores, link)
		for (i = 0; i < s->space.count; i++) {
			d = s->devs[i];
			if (d && sd_overlap(d->disk_dev, d->disk_start, s->space.ranges[i]->id.len,
				       disk_dev, disk_start, len))
				return true;
		}
	return false;
}

static bool covers(const struct sd_origin *o, u64 disk_dev, u64 disk_start, u64 len)
{
	return sd_overlap(o->disk_dev, o->disk_start, o->reach, disk_dev, disk_start, len);
}

bool sd_conflict_origins(u64 disk_dev, u64 disk_start, u64 len, const struct sd_origin *except,
			 dev_t self)
{
	struct sd_origin *o;
	struct sd_store *s;

	list_for_each_entry(s, &sd_stores, link)
		list_for_each_entry(o, &s->origins, link)
			if (o != except && covers(o, disk_dev, disk_start, len))
				return true;
	/* An origin that lost its store may move to another one by a reload. */
	list_for_each_entry(s, &sd_ended_stores, link)
		list_for_each_entry(o, &s->origins, link)
			if (o->devt != self && covers(o, disk_dev, disk_start, len))
				return true;
	return false;
}

/* ---- devices of a table ------------------------------------------------ */

/* Opens the device, without a lock but extend_mutex: who is to have it is decided later. */
static struct held_dev *open_dev(struct sd_store_target *st, const char *path, const char **why)
{
	struct held_dev *held;
	int r;

	held = kzalloc(sizeof(*held), GFP_KERNEL);
	if (!held) {
		*why = "no memory for the range";
		return ERR_PTR(-ENOMEM);
	}
	r = dm_get_device(st->ti, path, SD_OPEN_RW, &held->dev);
	if (r) {
		*why = "the device of the range cannot be opened for reading and writing";
		kfree(held);
		return ERR_PTR(r == -ENODEV || r == -ENXIO ? -ENOENT : r); /* no such device */
	}
	held->st = st;
	INIT_LIST_HEAD(&held->link);
	return held;
}

static struct held_dev *open_number(struct sd_store_target *st, dev_t devt, const char **why)
{
	char number[24];

	scnprintf(number, sizeof(number), "%u:%u", MAJOR(devt), MINOR(devt));
	return open_dev(st, number, why);
}

static void close_dev(struct held_dev *held)
{
	dm_put_device(held->st->ti, held->dev);
	kfree(held);
}

static void close_all(struct list_head *list)
{
	struct held_dev *held, *next;

	list_for_each_entry_safe(held, next, list, link)
		close_dev(held);
	INIT_LIST_HEAD(list);
}

void sd_ranges_release(struct sd_store_target *st)
{
	close_all(&st->devs);
}

/* The device of the range in a slot, or 0: there is none to stay. Under sd_registry. */
static dev_t device_of(const struct sd_store *s, u32 slot)
{
	const struct sd_range *r = slot < s->space.count ? s->space.ranges[slot] : NULL;

	return r && !r->leaving ? s->devs[slot]->devt : 0;
}

/*
 * One range of the store for one more table.  It may leave until the device is
 * open; from then on the table is among those that let it go.
 */
static int hold_slot(struct sd_store_target *st, u32 slot, const char **why)
{
	struct sd_store *s = st->store;
	struct held_dev *held;
	dev_t devt;

	mutex_lock(&sd_registry);
	devt = device_of(s, slot);
	mutex_unlock(&sd_registry);
	if (!devt)
		return 0;
	held = open_number(st, devt, why);
	if (IS_ERR(held))
		return PTR_ERR(held);
	mutex_lock(&sd_registry);
	if (device_of(s, slot) == devt) {
		list_add_tail(&held->link, &st->devs);
		held = NULL;
	}
	mutex_unlock(&sd_registry);
	if (held)
		close_dev(held);
	return 0;
}

int sd_ranges_hold(struct sd_store_target *st, const char **why)
{
	struct sd_store *s = st->store;
	u32 i;
	int r;

	lockdep_assert_held(&s->extend_mutex);
	for (i = 0; i < s->space.count; i++) { /* which only extends change */
		r = hold_slot(st, i, why);
		if (r)
			return r;
	}
	return 0;
}

/* A new range's device for all tables of the store but @st, which has it: on @list, or none. */
static int open_everywhere(struct sd_store_target *st, dev_t devt, struct list_head *list,
			   const char **why)
{
	struct sd_store_target *other;
	struct held_dev *held;

	/* the list of tables changes only under extend_mutex */
	list_for_each_entry(other, &st->store->instances, link) {
		if (other == st)
			continue;
		held = open_number(other, devt, why);
		if (IS_ERR(held))
			return PTR_ERR(held);
		list_add_tail(&held->link, list);
	}
	return 0;
}

/* Each table has its own from now on. Under sd_registry. */
static void hand_out(struct list_head *list)
{
	struct held_dev *held, *next;

	list_for_each_entry_safe(held, next, list, link)
		list_move_tail(&held->link, &held->st->devs);
}

void sd_range_unhold(struct sd_store *s, dev_t devt, struct list_head *list)
{
	struct sd_store_target *st;
	struct held_dev *held;

	lockdep_assert_held(&sd_registry);
	list_for_each_entry(st, &s->instances, link)
		list_for_each_entry(held, &st->devs, link)
			if (held->dev->bdev->bd_dev == devt) {
				list_move_tail(&held->link, list);
				st->releasing++;
				break;
			}
}

void sd_range_close(struct list_head *list)
{
	struct held_dev *held;

	list_for_each_entry(held, list, link)
		dm_put_device(held->st->ti, held->dev);
}

void sd_range_closed(struct sd_store *s, struct list_head *list)
{
	struct held_dev *held, *next;

	lockdep_assert_held(&sd_registry);
	list_for_each_entry_safe(held, next, list, link) {
		WRITE_ONCE(held->st->releasing, held->st->releasing - 1);
		kfree(held);
	}
	wake_up(&s->idle);
}

/* ---- reads of ranges --------------------------------------------------- */

/* Once the count is zero its device may be gone; the reader's image keeps the store. */
void sd_range_read_end(struct sd_store *s, struct sd_range_read *read)
{
	struct sd_range_dev *d = read->dev;

	read->dev = NULL;
	if (d && atomic_dec_and_test(&d->reads[read->phase]))
		wake_up(&s->idle);
}

bool sd_ranges_unread(const struct sd_store *s)
{
	u32 i;

	for (i = 0; i < s->space.count; i++)
		if (s->devs[i] && (atomic_read(&s->devs[i]->reads[0]) ||
				   atomic_read(&s->devs[i]->reads[1])))
			return false;
	return true;
}

/* ---- extending --------------------------------------------------------- */

static void fill_id(struct sd_range_id *id, const struct sd_range_words *w, dev_t devt)
{
	memset(id, 0, sizeof(*id));
	id->dev = devt;
	id->start = w->start;
	id->len = w->len;
	id->group = w->group;
	id->last = w->last;
}

bool sd_range_known(struct sd_store_target *st, const struct sd_range_words *w)
{
	struct held_dev *held;
	struct sd_range_id id;
	const char *why;
	bool known;

	held = open_dev(st, w->dev, &why);
	if (IS_ERR(held))
		return false;
	fill_id(&id, w, held->dev->bdev->bd_dev);
	mutex_lock(&sd_registry);
	known = sd_space_find(&st->store->space, &id) != NULL;
	mutex_unlock(&sd_registry);
	close_dev(held);
	return known;
}

static int check(struct sd_store *s, struct block_device *bdev, const struct sd_range_id *id,
		 struct sd_range_dev *d, const char **why)
{
	int r;

	*why = "the range lies on a store, origin or image of snapdiff itself";
	if (sd_is_ours(bdev->bd_dev) || sd_is_ours(disk_devt(bdev->bd_disk)))
		return -EINVAL;
	*why = "the device of the range is zoned: places could not be reused";
	if (bdev_is_zoned(bdev))
		return -EINVAL;
	*why = "the device of the range is read-only";
	if (bdev_read_only(bdev))
		return -EROFS;
	r = sd_range_check(&s->space, id, bdev_nr_sectors(bdev), d->block, why);
	if (r)
		return r;
	*why = "the range shares sectors with a range of a store";
	if (sd_conflict_ranges(d->disk_dev, d->disk_start, id->len))
		return -EEXIST;
	*why = "the range shares sectors with an origin";
	if (sd_conflict_origins(d->disk_dev, d->disk_start, id->len, NULL, 0))
		return -EEXIST;
	return 0;
}

/* Under sd_registry. */
static int add(struct sd_store *s, const struct sd_range_id *id, struct sd_range_dev *d,
	       const char **why)
{
	struct sd_range **array, **old;
	struct sd_range *r;

	*why = "no memory for the range";
	r = sd_range_alloc(&s->space, id);
	if (!r)
		return -ENOMEM;
	if (sd_space_grow(&s->space, &array)) {
		sd_range_free(r);
		return -ENOMEM;
	}
	write_seqlock(&s->lock);
	s->devs[sd_space_next(&s->space)] = d;
	old = sd_space_add(&s->space, r, array);
	sd_store_act(s, sd_policy_note(&s->policy) |
				sd_policy_space(&s->policy, s->space.free, true));
	write_sequnlock(&s->lock);
	if (old)
		sd_free(old);
	return 0;
}

static struct sd_range_dev *dev_create(struct block_device *bdev, const struct sd_range_id *id)
{
	struct sd_range_dev *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return NULL;
	d->bdev = bdev;
	d->devt = bdev->bd_dev;
	d->start = id->start;
	d->block = bdev_logical_block_size(bdev) >> SECTOR_SHIFT;
	sd_disk_place(bdev, id->start, &d->disk_dev, &d->disk_start);
	return d;
}

/* Is it there already?  1: yes.  Under sd_registry. */
static int find_known(struct sd_store *s, const struct sd_range_id *id, const char **why)
{
	const struct sd_range *known = sd_space_find(&s->space, id);

	if (!known)
		return 0;
	*why = "the range is being shrunk: cancel that, or wait until it is free";
	return known->shrink == SD_SHRINK_MOVING ? -EBUSY : 1;
}

/* All tables have the device open, on @list; the range, or nothing. */
static int add_opened(struct sd_store *s, const struct sd_range_id *id, struct block_device *bdev,
		      struct list_head *list, const char **why)
{
	struct sd_range_dev *d = dev_create(bdev, id);
	int r;

	*why = "no memory for the range";
	if (!d)
		return -ENOMEM;
	mutex_lock(&sd_registry);
	r = check(s, bdev, id, d, why);
	if (!r)
		r = add(s, id, d, why);
	if (!r)
		hand_out(list);
	mutex_unlock(&sd_registry);
	if (r)
		kfree(d);
	return r;
}

int sd_range_add(struct sd_store_target *st, const struct sd_range_words *w, const char **why)
{
	struct sd_store *s = st->store;
	struct block_device *bdev;
	struct sd_range_id id;
	struct held_dev *held;
	LIST_HEAD(list);
	int r;

	lockdep_assert_held(&s->extend_mutex);
	*why = "the store is going away";
	if (READ_ONCE(s->dying))
		return -ENXIO;
	held = open_dev(st, w->dev, why);
	if (IS_ERR(held))
		return PTR_ERR(held);
	list_add(&held->link, &list);
	bdev = held->dev->bdev;
	fill_id(&id, w, bdev->bd_dev);
	mutex_lock(&sd_registry);
	r = find_known(s, &id, why);
	mutex_unlock(&sd_registry);
	if (!r)
		r = open_everywhere(st, bdev->bd_dev, &list, why);
	if (!r)
		r = add_opened(s, &id, bdev, &list, why);
	if (r)
		close_all(&list);
	return r;
}
