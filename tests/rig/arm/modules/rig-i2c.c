// SPDX-License-Identifier: GPL-2.0
/*
 * An I2C bus with one device that takes any write, for tests of a display driver through /dev/i2c-N.
 *
 * The kernel's i2c-stub speaks SMBus only; programs that use I2C_RDWR need this. What was written is in debugfs at
 * rig-i2c/writes, each message with its length before it (two bytes, little endian); writing to that file forgets it.
 * While the parameter "fail" is set the device does not acknowledge.
 */
#include <linux/debugfs.h>
#include <linux/i2c.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define ROOM (256 * 1024)

static ushort address = 0x3c;
module_param(address, ushort, 0444);
MODULE_PARM_DESC(address, "the one device on the bus");

static bool fail;
module_param(fail, bool, 0644);
MODULE_PARM_DESC(fail, "the device does not acknowledge");

static u8 kept[ROOM];
static size_t length;
static DEFINE_MUTEX(lock);
static struct dentry *directory;
static struct platform_device *parent;

static void keep(const u8 *bytes, u16 count)
{
	mutex_lock(&lock);
	/* What is old goes: a test that wants all of it forgets in time. */
	if (length + 2 + count > ROOM)
		length = 0;
	kept[length] = count & 0xff;
	kept[length + 1] = count >> 8;
	memcpy(kept + length + 2, bytes, count);
	length += 2 + count;
	mutex_unlock(&lock);
}

static int rig_i2c_xfer(struct i2c_adapter *adapter, struct i2c_msg *messages, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		struct i2c_msg *message = &messages[i];

		if (READ_ONCE(fail) || message->addr != address)
			return -ENXIO;
		if (message->flags & I2C_M_RD)
			memset(message->buf, 0, message->len);
		else
			keep(message->buf, message->len);
	}
	return count;
}

static u32 rig_i2c_functionality(struct i2c_adapter *adapter)
{
	return I2C_FUNC_I2C | I2C_FUNC_SMBUS_EMUL;
}

static const struct i2c_algorithm algorithm = {
	.master_xfer = rig_i2c_xfer,
	.functionality = rig_i2c_functionality,
};

static struct i2c_adapter adapter = {
	.owner = THIS_MODULE,
	.algo = &algorithm,
	.name = "rig-i2c",
};

static ssize_t writes_read(struct file *file, char __user *to, size_t size, loff_t *at)
{
	ssize_t result;

	mutex_lock(&lock);
	result = simple_read_from_buffer(to, size, at, kept, length);
	mutex_unlock(&lock);
	return result;
}

static ssize_t writes_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	mutex_lock(&lock);
	length = 0;
	mutex_unlock(&lock);
	return size;
}

static const struct file_operations writes = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = writes_read,
	.write = writes_write,
};

static int __init rig_i2c_init(void)
{
	int error;

	/* A parent, so that udev finds a path for the bus. */
	parent = platform_device_register_simple("rig-i2c", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(parent))
		return PTR_ERR(parent);
	adapter.dev.parent = &parent->dev;
	error = i2c_add_adapter(&adapter);
	if (error) {
		platform_device_unregister(parent);
		return error;
	}
	directory = debugfs_create_dir("rig-i2c", NULL);
	debugfs_create_file("writes", 0600, directory, NULL, &writes);
	return 0;
}

static void __exit rig_i2c_exit(void)
{
	debugfs_remove_recursive(directory);
	i2c_del_adapter(&adapter);
	platform_device_unregister(parent);
}

module_init(rig_i2c_init);
module_exit(rig_i2c_exit);
MODULE_DESCRIPTION("An I2C bus with one device that takes any write");
MODULE_LICENSE("GPL");
