"""Azure: clusters in a subscription, by Microsoft's own SDKs."""

from oceanid.clouds.azure.cloud import AzureCloud

__all__ = ["AzureCloud"]
