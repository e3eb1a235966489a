"""What machines boot with: cloud-init's user-data for a cluster's master and its workers."""
