"""CronJobs: Jobs by the clock. Source: pkg/controller/cronjob/cronjob_controllerv2.go."""
