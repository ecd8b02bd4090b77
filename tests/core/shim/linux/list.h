/* SPDX-License-Identifier: GPL-2.0-only */
/* Rings of entries with two links, under the kernel's names. */
#ifndef SHIM_LINUX_LIST_H
#define SHIM_LINUX_LIST_H

#include <linux/kernel.h>

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->prev = head;
	head->next = head;
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

static inline void shim_list_join(struct list_head *left, struct list_head *right)
{
	left->next = right;
	right->prev = left;
}

static inline void list_add(struct list_head *entry, struct list_head *head)
{
	shim_list_join(entry, head->next);
	shim_list_join(head, entry);
}

static inline void list_add_tail(struct list_head *entry, struct list_head *head)
{
	shim_list_join(head->prev, entry);
	shim_list_join(entry, head);
}

/* Whoever follows a removed entry's links falls over NULL. */
static inline void list_del(struct list_head *entry)
{
	shim_list_join(entry->prev, entry->next);
	entry->prev = NULL;
	entry->next = NULL;
}

static inline void list_del_init(struct list_head *entry)
{
	list_del(entry);
	INIT_LIST_HEAD(entry);
}

#define list_entry(pointer, type, member) container_of(pointer, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define shim_list_next(e, member) list_entry((e)->member.next, __typeof__(*(e)), member)

#define list_for_each_entry(e, head, member)                                                       \
	for (e = list_entry((head)->next, __typeof__(*(e)), member); &(e)->member != (head);       \
	     e = shim_list_next(e, member))
#define list_for_each_entry_continue(e, head, member)                                              \
	for (e = shim_list_next(e, member); &(e)->member != (head); e = shim_list_next(e, member))
#define list_for_each_entry_safe(e, after, head, member)                                           \
	for (e = list_entry((head)->next, __typeof__(*(e)), member),                               \
	    after = shim_list_next(e, member);                                                     \
	     &(e)->member != (head); e = after, after = shim_list_next(after, member))

#endif /* SHIM_LINUX_LIST_H */
