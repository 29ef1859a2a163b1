# One of everything that the module knows, but for clusters.
$vhost = $facts['shop']
$user = $facts['clerk']

rabbitmq_plugin { 'rabbitmq_consistent_hash_exchange':
  ensure => present,
}

rabbitmq_vhost { $vhost:
  ensure => present,
}

rabbitmq_user { $user:
  password => $facts['clerk_password'],
  admin    => true,
  tags     => ['sales', 'monitoring'],
}

rabbitmq_user_permissions { "${user}@${vhost}":
  configure_permission => '.*',
  read_permission      => '^(orders|amq\.)',
  write_permission     => '.*',
}

rabbitmq_exchange { "orders@${vhost}":
  user        => $user,
  password    => $facts['clerk_password'],
  type        => 'topic',
  durable     => true,
  internal    => false,
  auto_delete => false,
  arguments   => { 'alternate-exchange' => 'amq.fanout' },
}

rabbitmq_queue { "orders.eu@${vhost}":
  user        => $user,
  password    => $facts['clerk_password'],
  durable     => true,
  auto_delete => false,
  arguments   => { 'x-message-ttl' => 60000, 'x-dead-letter-exchange' => 'amq.fanout' },
}

rabbitmq_binding { 'europe':
  source           => 'orders',
  destination      => 'orders.eu',
  destination_type => 'queue',
  vhost            => $vhost,
  routing_key      => 'eu.#',
  user             => $user,
  password         => $facts['clerk_password'],
  arguments        => {},
}

rabbitmq_binding { 'forwarded':
  source           => 'amq.topic',
  destination      => 'orders',
  destination_type => 'exchange',
  vhost            => $vhost,
  routing_key      => 'orders.*',
  user             => $user,
  password         => $facts['clerk_password'],
  arguments        => {},
}

rabbitmq_policy { "lengths@${vhost}":
  pattern    => '^orders\.',
  priority   => 3,
  applyto    => 'queues',
  definition => { 'max-length' => '1000', 'overflow' => 'reject-publish' },
}

rabbitmq_parameter { "limits@${vhost}":
  component_name => 'vhost-limits',
  value          => { 'max-queues' => '50' },
}

Rabbitmq_vhost<||> -> Rabbitmq_user<||> -> Rabbitmq_user_permissions<||>
-> Rabbitmq_exchange<||> -> Rabbitmq_queue<||> -> Rabbitmq_binding<||>
