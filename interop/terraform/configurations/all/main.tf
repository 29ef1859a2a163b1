# SPDX-License-Identifier: Apache-2.0
# One of each resource and data source that the provider has, but for shovels and federation.

terraform {
  required_providers {
    rabbitmq = {
      source = "cyrilgdn/rabbitmq"
    }
  }
}

variable "vhost" {
  type = string
}

variable "user" {
  type = string
}

variable "password" {
  type    = string
  default = "secret"
}

variable "tags" {
  type    = list(string)
  default = ["management"]
}

variable "max_length" {
  type    = number
  default = 1000
}

variable "readable" {
  type    = string
  default = "^orders"
}

variable "queue_durable" {
  type    = bool
  default = true
}

resource "rabbitmq_vhost" "shop" {
  name = var.vhost
}

resource "rabbitmq_user" "clerk" {
  name     = var.user
  password = var.password
  tags     = var.tags
}

resource "rabbitmq_permissions" "clerk" {
  user  = rabbitmq_user.clerk.name
  vhost = rabbitmq_vhost.shop.name

  permissions {
    configure = ""
    write     = ".*"
    read      = var.readable
  }
}

resource "rabbitmq_topic_permissions" "clerk" {
  user  = rabbitmq_user.clerk.name
  vhost = rabbitmq_vhost.shop.name

  permissions {
    exchange = rabbitmq_exchange.orders.name
    write    = "^eu\\."
    read     = var.readable
  }

  permissions {
    exchange = "amq.topic"
    write    = ""
    read     = ".*"
  }
}

resource "rabbitmq_exchange" "orders" {
  name  = "orders"
  vhost = rabbitmq_vhost.shop.name

  settings {
    type    = "topic"
    durable = true
    arguments = {
      alternate-exchange = "unrouted"
    }
  }
}

resource "rabbitmq_exchange" "unrouted" {
  name  = "unrouted"
  vhost = rabbitmq_vhost.shop.name

  settings {
    type        = "fanout"
    durable     = false
    auto_delete = true
  }
}

resource "rabbitmq_exchange" "by_header" {
  name  = "by header/1"
  vhost = rabbitmq_vhost.shop.name

  settings {
    type    = "headers"
    durable = true
  }
}

resource "rabbitmq_queue" "orders" {
  name  = "orders.eu"
  vhost = rabbitmq_vhost.shop.name

  settings {
    durable     = var.queue_durable
    auto_delete = false
    arguments_json = jsonencode({
      "x-message-ttl" : 60000,
      "x-dead-letter-exchange" : "unrouted",
      "x-max-priority" : 5
    })
  }
}

resource "rabbitmq_queue" "quorum" {
  name  = "orders.kept"
  vhost = rabbitmq_vhost.shop.name

  settings {
    durable = true
    arguments = {
      "x-queue-type" : "quorum",
    }
  }
}

resource "rabbitmq_queue" "plain" {
  name  = "100% plain"
  vhost = rabbitmq_vhost.shop.name

  settings {
    durable     = false
    auto_delete = true
  }
}

resource "rabbitmq_binding" "orders" {
  source           = rabbitmq_exchange.orders.name
  vhost            = rabbitmq_vhost.shop.name
  destination      = rabbitmq_queue.orders.name
  destination_type = "queue"
  routing_key      = "eu.#"
}

resource "rabbitmq_binding" "without_key" {
  source           = rabbitmq_exchange.unrouted.name
  vhost            = rabbitmq_vhost.shop.name
  destination      = rabbitmq_queue.quorum.name
  destination_type = "queue"
}

resource "rabbitmq_binding" "with_arguments" {
  source           = rabbitmq_exchange.orders.name
  vhost            = rabbitmq_vhost.shop.name
  destination      = rabbitmq_queue.quorum.name
  destination_type = "queue"
  routing_key      = "#"
  arguments_json = jsonencode({
    "x-match" : "all",
    "weight" : 3
  })
}

resource "rabbitmq_binding" "between_exchanges" {
  source           = rabbitmq_exchange.orders.name
  vhost            = rabbitmq_vhost.shop.name
  destination      = rabbitmq_exchange.unrouted.name
  destination_type = "exchange"
  routing_key      = "lost.*"
}

resource "rabbitmq_policy" "lengths" {
  name  = "lengths"
  vhost = rabbitmq_vhost.shop.name

  policy {
    pattern  = "^orders"
    priority = 1
    apply_to = "queues"

    definition = {
      max-length = var.max_length
      overflow   = "reject-publish"
    }
  }
}

resource "rabbitmq_operator_policy" "ages" {
  name  = "ages"
  vhost = rabbitmq_vhost.shop.name

  policy {
    pattern  = ".*"
    priority = 0
    apply_to = "queues"

    definition = {
      message-ttl = 3600000
    }
  }
}

data "rabbitmq_vhost" "default" {
  name = "/"
}

data "rabbitmq_user" "clerk" {
  name = rabbitmq_user.clerk.name
}

data "rabbitmq_exchange" "orders" {
  name  = rabbitmq_exchange.orders.name
  vhost = rabbitmq_vhost.shop.name
}

output "tags" {
  value = data.rabbitmq_user.clerk.tags
}

output "type" {
  value = data.rabbitmq_exchange.orders.settings[0].type
}

output "key" {
  value = rabbitmq_binding.orders.properties_key
}
