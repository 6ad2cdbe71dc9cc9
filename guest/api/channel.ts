/** The two ways between host and guest beside the network, by name. Imports nothing: every side loads it. */

/**
 * fw_cfg item with the instance document; in the guest
 * /sys/firmware/qemu_fw_cfg/by_name/NAME/raw (Documentation/ABI/testing/sysfs-firmware-qemu_fw_cfg).
 */
export const INSTANCE_DOCUMENT_FW_CFG = "opt/org.windlass/instance";

/** virtio-serial port that carries the journal to the host. */
export const JOURNAL_PORT = "org.windlass.journal";
